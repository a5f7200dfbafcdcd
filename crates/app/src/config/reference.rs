//! The reference page, written from the declaration of the settings.

use std::fmt::Write as _;

use super::{
    behaviour::BehaviourSection,
    content::ContentSection,
    credential::CredentialSection,
    data::DataSection,
    issuer::IssuerSection,
    rules::MCP_SERVERS,
    section::{
        Admin, AuditSection, AuthSection, Gateway, Limits, PinsSection, Policy, Protocol, Schemas,
        StopSwitch, TlsSection,
    },
    server::ServerSection,
    setting::{Applies, Section, Setting},
    stream::StreamSection,
    supply::Supply,
    targets::TargetsSection,
    telemetry::TelemetrySection,
};

/// A section for the writers of documents.
pub(super) struct Declared {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) settings: &'static [Setting],
}

const fn declared<S: Section>(name: &'static str) -> Declared {
    Declared { name, doc: S::DOC, settings: S::SETTINGS }
}

/// Every section, in the order of the page. `server.NAME` stands for each server.
pub(super) const SECTIONS: &[Declared] = &[
    declared::<Gateway>("gateway"),
    declared::<TlsSection>("tls"),
    declared::<Admin>("admin"),
    declared::<AuthSection>("auth"),
    declared::<IssuerSection>(ISSUER),
    declared::<CredentialSection>(CREDENTIAL),
    declared::<Policy>("policy"),
    declared::<ContentSection>("content"),
    declared::<DataSection>(DATA),
    declared::<TargetsSection>("targets"),
    declared::<Schemas>("schemas"),
    declared::<Protocol>("protocol"),
    declared::<Limits>("limits"),
    declared::<AuditSection>("audit"),
    declared::<TelemetrySection>("telemetry"),
    declared::<StreamSection>(STREAM),
    declared::<PinsSection>("pins"),
    declared::<BehaviourSection>("behaviour"),
    declared::<StopSwitch>("stop"),
    declared::<Supply>("supply"),
    declared::<ServerSection>(SERVER),
];

/// The section inside of `content`.
pub(super) const DATA: &str = "content.data";

/// How the table of a server is called on the page.
pub(super) const SERVER: &str = "server.NAME";
/// And that of an issuer.
pub(super) const ISSUER: &str = "issuer.NAME";
/// And that of a credential.
pub(super) const CREDENTIAL: &str = "credential.NAME";
/// And that of a stream.
pub(super) const STREAM: &str = "stream.NAME";

const HEAD: &str = "\
# Configuration

<!-- Written by `portcullis config reference`. Change the declarations in `crates/app/src/config`, not this page. -->

Portcullis reads one TOML file: the one named with `--config`, else `portcullis.toml` in the working directory, else
`~/.config/portcullis/portcullis.toml`. A setting that is not on this page is an error. `portcullis check` reports every
mistake at once with its line, and whatever else keeps `portcullis serve` or one of its servers from starting: it starts no
server and leaves nothing behind. `portcullis check --explain` shows every setting in force.

A setting whose name starts with `danger_` lowers security and is reported whenever it is used. Paths are relative to
the file they stand in, and `~/` is the home directory. A running gateway reads the file again when it changes or on
`SIGHUP`; if the new file has a mistake, the old one stays in force. Settings marked *restart* take effect with the next
start.
";

/// The page as Markdown.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Outside every section\n\n");
    table(&mut page, std::slice::from_ref(&MCP_SERVERS));
    for section in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, paragraph(section.doc));
        table(&mut page, section.settings);
    }
    page
}

fn table(page: &mut String, settings: &[Setting]) {
    page.push_str("| setting | default | meaning |\n|---|---|---|\n");
    for setting in settings {
        let default = setting.default.map_or_else(|| "–".to_owned(), |default| format!("`{default}`"));
        let restart = if setting.applies == Applies::Restart { " *(restart)*" } else { "" };
        let _ = writeln!(
            page,
            "| `{}` | {default} | {}{restart}<br>{}. |",
            setting.name,
            paragraph(setting.doc),
            upper_first(&setting.kind.phrase()),
        );
    }
}

fn upper_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A documentation comment on one line.
pub(super) fn paragraph(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The explanation of the setting of that full name, for example `limits.body_bytes`.
pub fn explain(name: &str) -> Option<String> {
    let find = |section: &str, setting: &str| {
        let declared = SECTIONS.iter().find(|declared| declared.name == section)?;
        declared.settings.iter().find(|declared| declared.name == setting)
    };
    let setting = match name.split('.').collect::<Vec<_>>().as_slice() {
        ["mcpServers", ..] => Some(&MCP_SERVERS),
        ["server", _, setting] => find(SERVER, setting),
        ["issuer", _, setting] => find(ISSUER, setting),
        ["credential", _, setting] => find(CREDENTIAL, setting),
        ["stream", _, setting] => find(STREAM, setting),
        ["content", "data", setting] => find(DATA, setting),
        [section, setting] => find(section, setting),
        _ => None,
    }?;
    Some(paragraph(setting.doc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn every_section_is_on_the_page() {
        let read: Vec<&str> = super::super::rules::SECTIONS.to_vec();
        let mut shown: Vec<&str> =
            SECTIONS.iter().map(|section| section.name).filter(|name| !name.contains('.')).collect();
        shown.sort_by_key(|name| read.iter().position(|section| section == name));
        assert_eq!(shown, read);
    }

    #[test]
    fn settings_are_documented_and_dangerous_ones_say_so() {
        for section in SECTIONS {
            for setting in section.settings {
                let doc = paragraph(setting.doc);
                assert!(doc.ends_with('.') && doc.len() > 20, "{}.{}: {doc}", section.name, setting.name);
                assert!(!setting.kind.phrase().is_empty());
            }
        }
        assert_eq!(explain("limits.body_bytes").unwrap(), "Largest request body.");
        assert!(explain("server.notes.command").is_some());
        assert!(explain("issuer.corp.url").is_some());
        assert!(explain("limits.nothing").is_none());
    }

    #[test]
    fn the_page_in_the_repository_is_current() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(
            page == markdown(),
            "run the tests with UPDATE_SNAPSHOTS=1 to write docs/configuration.md again"
        );
    }
}
