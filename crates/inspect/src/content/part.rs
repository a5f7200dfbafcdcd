//! Which part of a message is what to the model that reads it.

use portcullis_core::{
    Answer, Call, ClientMessage, Definition, Surface,
    wire::{Document, Node, json::Span},
};

use crate::detect::TextSurface;

/// A value and everything in it but some members.
pub(super) struct Part<'m> {
    pub(super) node: Node<'m>,
    pub(super) surface: TextSurface,
    except: Vec<Span>,
}

impl<'m> Part<'m> {
    fn whole(node: Node<'m>, surface: TextSurface) -> Self {
        Self { node, surface, except: Vec::new() }
    }

    /// Whether what is at `at` belongs to another part.
    pub(super) fn leaves_out(&self, at: Span) -> bool {
        self.except.iter().any(|span| (span.start..span.end).contains(&at.start))
    }
}

/// The document as one part, and each of `members` as another.
fn split<'m>(
    document: &'m Document,
    surface: TextSurface,
    members: Vec<Node<'m>>,
    theirs: TextSurface,
) -> Vec<Part<'m>> {
    let except = members.iter().map(|node| node.span()).collect();
    let mut parts = vec![Part { node: document.root(), surface, except }];
    parts.extend(members.into_iter().map(|node| Part::whole(node, theirs)));
    parts
}

/// What a text is on a channel. The whole message counts, so that a member nobody has heard of does too.
pub(super) fn of_answer(answer: &Answer) -> Vec<Part<'_>> {
    let document = answer.message.document();
    let surface = match answer.surface {
        // Each definition of a page is looked at by itself.
        Surface::Definition => return Vec::new(),
        Surface::Result | Surface::Error | Surface::Notification => TextSurface::ToolOutput,
        Surface::Resource => TextSurface::Resource,
        Surface::Prompt => TextSurface::Prompt,
        Surface::ServerRequest if prompts(document.root()) => TextSurface::Prompt,
        // Read by a person, or by a model that has to answer for one.
        Surface::ServerRequest => TextSurface::ToolOutput,
        Surface::Introduction => TextSurface::ToolDescription,
    };
    // What a server asks of the client in a result is what it would ask in a request.
    let asked = document.root().path(&["result", "inputRequests"]);
    let asked = asked.into_iter().flat_map(|asked| asked.members()).map(|(_, request)| request);
    split(document, surface, asked.filter(|request| prompts(*request)).collect(), TextSurface::Prompt)
}

/// Whether a request asks the client's model for something.
fn prompts(request: Node<'_>) -> bool {
    request.get("method").and_then(|method| method.as_str()).is_some_and(|m| m == "sampling/createMessage")
}

pub(super) fn of_call(call: &Call) -> Vec<Part<'_>> {
    vec![Part::whole(call.request.document().root(), TextSurface::Argument)]
}

pub(super) fn of_client_message(subject: &ClientMessage) -> Vec<Part<'_>> {
    vec![Part::whole(subject.message.document().root(), TextSurface::Argument)]
}

pub(super) fn of_definition(definition: &Definition) -> Vec<Part<'_>> {
    let document = definition.document();
    let schemas =
        ["inputSchema", "outputSchema"].into_iter().filter_map(|member| document.root().get(member));
    split(document, TextSurface::ToolDescription, schemas.collect(), TextSurface::Schema)
}

/// Whether texts of a channel can be changed: a definition or introduction that says something else than its
/// server did would not be the server's.
pub(crate) fn editable(surface: Surface) -> bool {
    !matches!(surface, Surface::Definition | Surface::Introduction)
}

/// Whether the message has room for a mark its reader can see.
pub(super) fn marks(surface: Surface) -> bool {
    matches!(surface, Surface::Result | Surface::Resource | Surface::Prompt)
}
