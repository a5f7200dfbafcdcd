//! Policies to begin with.

use std::fmt::Write as _;

use portcullis_core::ServerName;

/// What the local user gets on one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything the server offers, now and after every update.
    AllTools(ServerName),
    /// These tools, by the names the server uses; lists, prompts and resources as well.
    Tools(ServerName, Vec<String>),
    /// Not these tools, whatever else is granted.
    NoTools(ServerName, Vec<String>),
}

const PREAMBLE: &str = r#"// Who may do what through Portcullis. The language is Cedar: https://docs.cedarpolicy.com
//
// Nothing is permitted unless a policy here permits it: delete everything and every request is refused.
// A policy says who (principal), what (action) and on what (resource). All three have to fit.
//
//   principal in Mcp::PrincipalKind::"local-user"    you: whoever uses this machine directly
//   action == Mcp::Action::"tools/call"              one MCP method; "read" and "call" are groups of them
//   resource in Mcp::Server::"git"                   everything the server called git offers
//   resource == Mcp::Tool::"git/git_status"          one tool
//
// `forbid (…)` takes away again, whatever the permits say. Conditions can look at what a call would do:
//
//   forbid (principal, action == Mcp::Action::"tools/call", resource in Mcp::Server::"files")
//   when { context.arguments has path && context.arguments.path like "*/.ssh/*" };
//
// @id names a policy in the log. Add @reason("…") to a forbid to tell the caller why, and @scope("…") to ask for a
// token with that scope.
// `portcullis policy check` finds mistakes in this file.
"#;

/// The text of a first policy file: nothing but what the grants say, each line explained.
pub fn init_policy(grants: &[Grant]) -> String {
    let mut text = PREAMBLE.to_owned();
    text.push_str(GATEWAY);
    text.push_str(FLOW);
    for grant in grants {
        match grant {
            Grant::AllTools(server) => all_tools(&mut text, server),
            Grant::Tools(server, tools) => some_tools(&mut text, server, tools),
            Grant::NoTools(server, tools) => no_tools(&mut text, server, tools),
        }
    }
    text
}

/// The policy in force under `portcullis run`: the local user may use everything the one server offers.
pub fn run_policy(server: &ServerName) -> String {
    let mut text = "// In force while `portcullis run` stands in front of one server.\n".to_owned();
    text.push_str(GATEWAY);
    text.push_str(FLOW);
    all_tools(&mut text, server);
    text
}

/// What may still be done once something has entered a conversation.
const FLOW: &str = r#"
// What has been read decides what may still be done, whatever the model thinks it was told. Portcullis labels a
// conversation with what its tools bring into it: "untrusted", text that others wrote and that may be meant to steer
// the model, and "private", data that is not meant for everybody.

// Private data does not leave once somebody else's text may be steering.
@id("flow-private-stays")
@reason("this conversation has read private data and text that others wrote, so nothing may leave it without a person's approval")
forbid (principal, action == Mcp::Action::"tools/call", resource)
when { context.conduct.contains("outward") && context.labels.contains("private")
       && context.labels.contains("untrusted") && !context.approved };

// Somebody else's text does not make a tool do what cannot be taken back.
@id("flow-untrusted-does-not-act")
@reason("this conversation has read text that others wrote, so it may do nothing that cannot be taken back without a person's approval")
forbid (principal, action == Mcp::Action::"tools/call", resource)
when { context.conduct.contains("irrevocable") && context.labels.contains("untrusted") && !context.approved };
"#;

const GATEWAY: &str = r#"
// You may connect to Portcullis and ask it what there is. The lists show only what you may use.
@id("local-user-gateway")
permit (
  principal in Mcp::PrincipalKind::"local-user",
  action in Mcp::Action::"read",
  resource in Mcp::Endpoint::"*"
);
"#;

// Writing to a `String` cannot fail, so the results of `write!` below carry no information.

fn all_tools(text: &mut String, server: &ServerName) {
    let _ = write!(
        text,
        r#"
// You may do everything on the server `{server}`: list, read, call. Tools it adds later are included; to
// decide over each tool yourself, replace `action` by `action in Mcp::Action::"read"` and permit tools
// one by one.
@id("local-user-{server}")
permit (
  principal in Mcp::PrincipalKind::"local-user",
  action,
  resource in Mcp::Server::"{server}"
);
"#
    );
}

fn some_tools(text: &mut String, server: &ServerName, tools: &[String]) {
    let _ = write!(
        text,
        r#"
// You may connect to the server `{server}`, see its lists, get its prompts and read its resources. You may
// also follow tasks: only a permitted call can have started one.
@id("local-user-{server}-read")
permit (
  principal in Mcp::PrincipalKind::"local-user",
  action in [
    Mcp::Action::"read",
    Mcp::Action::"tasks/get",
    Mcp::Action::"tasks/result",
    Mcp::Action::"tasks/update",
    Mcp::Action::"tasks/cancel"
  ],
  resource in Mcp::Server::"{server}"
);
"#
    );
    if tools.is_empty() {
        let _ = writeln!(text, "\n// No tool of `{server}` may be called.");
        return;
    }
    let _ = write!(
        text,
        r#"
// You may call these tools of `{server}` and no others. Delete a line to take a tool away.
@id("local-user-{server}-tools")
permit (
  principal in Mcp::PrincipalKind::"local-user",
  action == Mcp::Action::"tools/call",
  resource in Mcp::Server::"{server}"
) when {{ resource in [
{}
] }};
"#,
        list(server, tools)
    );
}

fn no_tools(text: &mut String, server: &ServerName, tools: &[String]) {
    let _ = write!(
        text,
        r#"
// Nobody may call these tools of `{server}`, whatever is permitted elsewhere.
@id("not-{server}-tools")
forbid (
  principal,
  action == Mcp::Action::"tools/call",
  resource in Mcp::Server::"{server}"
) when {{ resource in [
{}
] }};
"#,
        list(server, tools)
    );
}

/// Tools as policies write them, one a line.
fn list(server: &ServerName, tools: &[String]) -> String {
    let lines: Vec<_> =
        tools.iter().map(|tool| format!("  Mcp::Tool::\"{server}/{}\"", tool.escape_debug())).collect();
    lines.join(",\n")
}
