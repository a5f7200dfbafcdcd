//! Where a text is read.

use super::model::Kind;

macro_rules! surfaces {
    ($($variant:ident $name:literal $kind:ident $about:literal;)+) => {
        /// What a text is to the model that reads it. What is ordinary in one is not in another.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum TextSurface { $(#[doc = $about] $variant,)+ }

        impl TextSurface {
            /// Every surface.
            pub const ALL: [Self; 6] = [$(Self::$variant),+];

            /// The name in settings, records and JSON lines.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The model for it.
            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }
        }
    };
}

surfaces! {
    ToolDescription "tool_description" Definition "Name, title and description of a tool, prompt, resource or server.";
    Schema "schema" Definition "The schemas of a tool.";
    ToolOutput "tool_output" Content "Results, errors, notifications; what a server asks a person.";
    Resource "resource" Content "What a resource holds.";
    Prompt "prompt" Prompt "A prompt, of a person or out of a server's list; what a server asks a model.";
    Argument "argument" Content "What is given to a tool.";
}

/// A name that is none of a surface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no surface; use tool_description, schema, tool_output, resource, prompt or argument")]
pub struct NoSurface(String);

impl std::str::FromStr for TextSurface {
    type Err = NoSurface;

    fn from_str(name: &str) -> Result<Self, NoSurface> {
        let known = Self::ALL.into_iter().find(|surface| surface.as_str() == name);
        known.ok_or_else(|| NoSurface(name.chars().take(64).collect()))
    }
}
