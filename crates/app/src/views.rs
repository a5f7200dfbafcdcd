//! Files of views: narrow tools over broad ones.

use std::{path::Path, sync::Arc};

use portcullis_gateway::views::View;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    view: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    tool: String,
    description: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    passes: Map<String, Value>,
}

/// Reads a file of `[[view]]` tables.
///
/// # Errors
/// What is wrong with it, with the name of the view.
pub(crate) fn read(file: &Path) -> Result<Vec<Arc<View>>, String> {
    let place = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("`{place}` could not be read: {e}"))?;
    let File { view } = toml::from_str(&text).map_err(|e| format!("`{place}`: {}", e.message()))?;
    let made = view.iter().map(|Table { name, tool, description, arguments, passes }| {
        let made = View::new(name, tool, description, arguments, passes);
        made.map(Arc::new).map_err(|fault| format!("`{place}`, view `{name}`: {fault}"))
    });
    made.collect()
}
