//! A JSON schema of the configuration, for editors.

use serde_json::{Map, Value as Json, json};

use super::{
    reference::{CREDENTIAL, DATA, Declared, ISSUER, SECTIONS, SERVER, STREAM, paragraph},
    rules::MCP_SERVERS,
    setting::Setting,
    tree::{Language, Node, Value},
};

/// The schema (2020-12).
pub fn json_schema() -> Json {
    let mut properties = Map::new();
    properties.insert(MCP_SERVERS.name.to_owned(), property(&MCP_SERVERS));
    for section in SECTIONS {
        let (name, schema) = match section.name {
            // Put into its section below.
            DATA => continue,
            SERVER => ("server", json!({ "type": "object", "additionalProperties": object(section) })),
            STREAM => ("stream", json!({ "type": "object", "additionalProperties": object(section) })),
            ISSUER => ("issuer", json!({ "type": "object", "additionalProperties": object(section) })),
            CREDENTIAL => {
                ("credential", json!({ "type": "object", "additionalProperties": object(section) }))
            }
            name => (name, object(section)),
        };
        properties.insert(name.to_owned(), schema);
    }
    let data = SECTIONS.iter().find(|section| section.name == DATA);
    if let (Some(data), Some(content)) =
        (data, properties.get_mut("content").and_then(|content| content.pointer_mut("/properties")))
    {
        content.as_object_mut().map(|members| members.insert("data".to_owned(), object(data)));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Portcullis configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn object(section: &Declared) -> Json {
    let members = section.settings.iter().map(|setting| (setting.name.to_owned(), property(setting)));
    json!({
        "type": "object",
        "description": paragraph(section.doc),
        "properties": members.collect::<Map<String, Json>>(),
        "additionalProperties": false,
    })
}

fn property(setting: &Setting) -> Json {
    let mut schema = setting.kind.schema();
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), paragraph(setting.doc).into());
        if let Some(default) = setting.default {
            let (document, _) = Language::Toml.parse(&format!("default = {default}"));
            members.extend(document.get("default").map(|node| ("default".to_owned(), plain(node))));
        }
    }
    schema
}

fn plain(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Integer(number) => Json::from(*number),
        Value::Text(text) | Value::Other(text) => Json::from(text.as_str()),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Table(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), plain(&entry.node))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn the_schema_names_every_setting_with_its_default() {
        let schema = json_schema();
        let at = |pointer: &str| schema.pointer(pointer).unwrap().clone();
        assert_eq!(at("/properties/limits/properties/body_bytes/default"), json!(1_048_576));
        assert_eq!(at("/properties/policy/properties/files/default"), json!(["policy.cedar"]));
        assert_eq!(at("/properties/gateway/additionalProperties"), json!(false));
        assert!(schema.pointer("/properties/server/additionalProperties/properties/command").is_some());
        for section in
            SECTIONS.iter().filter(|section| ![SERVER, ISSUER, CREDENTIAL, STREAM].contains(&section.name))
        {
            for setting in section.settings {
                let section = section.name.replace('.', "/properties/");
                let pointer = format!("/properties/{section}/properties/{}/description", setting.name);
                assert!(schema.pointer(&pointer).is_some(), "{pointer}");
            }
        }
    }
}
