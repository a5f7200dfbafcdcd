//! From a definition to guesses.

use portcullis_core::{Deed, Definition, wire::Node};

use super::{Guesses, words};

/// What a tool does, as far as its definition tells.
pub fn infer(definition: &Definition) -> Guesses {
    let root = definition.document().root();
    let words = split(definition.name());
    let parameters: Vec<String> = root
        .path(&["inputSchema", "properties"])
        .map(|it| it.members().map(|(name, _)| name.into_owned()).collect())
        .unwrap_or_default();
    let mut guesses = Guesses::default();
    acts(&mut guesses, &words, &parameters);
    reads(&mut guesses, &words, &parameters);
    said(&mut guesses, root);
    guesses
}

/// The words of a name: `sendEmail`, `send_email` and `send-email` are alike, and so are singular and plural.
pub(crate) fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let starts = character.is_uppercase() && before.is_lowercase();
        if !character.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words.into_iter().map(singular).collect()
}

fn singular(word: String) -> String {
    match word.strip_suffix("ies") {
        Some(stem) if stem.len() > 1 => format!("{stem}y"),
        _ => match word.strip_suffix('s') {
            Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
            _ => word,
        },
    }
}

fn found<'w>(words: &'w [String], known: &[&str]) -> Option<&'w str> {
    words.iter().map(String::as_str).find(|word| known.contains(word))
}

/// Whether a name is about reading: it begins so, as `get_message`, or says so and nothing else is a verb, as
/// `issue_read` and not `task_list_delete`.
fn is_about_reading(words: &[String]) -> bool {
    let reads = |word: &String| words::READS.contains(&word.as_str());
    let does = |word: &String| words::ACTS.iter().any(|(verbs, _)| verbs.contains(&word.as_str()));
    let only_reads = words.iter().all(|word| !does(word) || is_noun(word));
    let begins = words.first().is_some_and(reads) && !words.iter().any(|word| word == "and");
    begins || only_reads && words.iter().any(reads)
}

fn is_noun(word: &str) -> bool {
    words::WRITTEN_BY_OTHERS.contains(&word) || words::NOT_FOR_EVERYBODY.contains(&word)
}

fn acts(guesses: &mut Guesses, words: &[String], parameters: &[String]) {
    if !is_about_reading(words) {
        for (verbs, deeds) in words::ACTS {
            let Some(verb) = found(words, verbs) else { continue };
            deeds.iter().for_each(|deed| guesses.add(*deed, || format!("its name says `{verb}`")));
            if let (true, Some(place)) = (deeds.is_empty(), found(words, words::PUBLIC)) {
                guesses.add(Deed::Outward, || format!("its name says `{verb}` and `{place}`"));
                guesses.add(Deed::Irrevocable, || format!("its name says `{verb}` and `{place}`"));
            }
        }
        let named = |known: &[&str]| parameters.iter().find(|it| known.contains(&it.to_lowercase().as_str()));
        if let Some(parameter) = named(words::DESTINATIONS) {
            guesses.add(Deed::Outward, || format!("it takes `{parameter}`"));
            guesses.add(Deed::Irrevocable, || format!("it takes `{parameter}`"));
        }
    }
    // Whatever is asked for at an address of the caller's choice can carry something there.
    let place = parameters.iter().find(|it| words::PLACES.contains(&it.to_lowercase().as_str()));
    if let Some(place) = place {
        guesses.add(Deed::Outward, || format!("it goes where `{place}` says"));
    }
}

fn reads(guesses: &mut Guesses, words: &[String], parameters: &[String]) {
    let network = found(words, words::FROM_THE_NETWORK);
    if let Some(verb) = network {
        guesses.add(Deed::Untrusted, || format!("its name says `{verb}`"));
    }
    let place = parameters.iter().find(|it| words::PLACES.contains(&it.to_lowercase().as_str()));
    if let (true, Some(place)) = (is_about_reading(words), place) {
        guesses.add(Deed::Untrusted, || format!("it reads from where `{place}` says"));
    }
    let does = guesses.conduct().does(Deed::Irrevocable);
    if does {
        return;
    }
    if let Some(noun) = found(words, words::WRITTEN_BY_OTHERS) {
        guesses.add(Deed::Untrusted, || format!("others write what its name calls `{noun}`"));
    }
    if let Some(noun) = found(words, words::NOT_FOR_EVERYBODY) {
        guesses.add(Deed::Private, || format!("its name says `{noun}`"));
    }
}

/// What the server says itself, where it makes the guess stricter.
fn said(guesses: &mut Guesses, root: Node<'_>) {
    let hint = |name: &str| root.path(&["annotations", name]).and_then(|it| it.as_bool()) == Some(true);
    if hint("destructiveHint") {
        guesses.add(Deed::Irrevocable, || "its server says `destructiveHint`".to_owned());
    }
    if hint("openWorldHint") {
        guesses.add(Deed::Untrusted, || "its server says `openWorldHint`".to_owned());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use bytes::Bytes;
    use portcullis_core::{ListKind, wire::Limits};

    use super::*;

    fn check(name: &str, rest: &str, expected: &str) {
        let raw = format!(r#"{{"name":"{name}"{rest}}}"#);
        let definition =
            Definition::read("s".parse().unwrap(), ListKind::Tools, Bytes::from(raw), &Limits::default());
        let guesses = infer(&definition.unwrap());
        let mut deeds: Vec<_> = guesses.0.iter().map(|guess| guess.deed.as_str()).collect();
        deeds.sort_unstable();
        assert_eq!(deeds.join(" "), expected, "{name}: {guesses:?}");
    }

    fn takes(parameters: &[&str]) -> String {
        let members: Vec<_> = parameters.iter().map(|it| format!("\"{it}\":{{}}")).collect();
        format!(r#","inputSchema":{{"properties":{{{}}}}}"#, members.join(","))
    }

    #[test]
    fn names_tell_what_tools_do() {
        for (name, expected) in [
            ("read_file", "private"),
            ("read_text_file", "private"),
            ("list_directory", "private"),
            ("write_file", "irrevocable"),
            ("edit_file", "irrevocable"),
            ("move_file", "irrevocable"),
            ("create_directory", "private"),
            ("fetch", "untrusted"),
            ("search_emails", "private untrusted"),
            ("get_inbox", "private untrusted"),
            ("sendEmail", "irrevocable outward"),
            ("send-message", "irrevocable outward"),
            ("get_messages", "private untrusted"),
            ("get_issue", "untrusted"),
            ("issue_read", "untrusted"),
            ("create_issue", "irrevocable outward"),
            ("create_pull_request", "irrevocable outward"),
            ("task_list_delete", "irrevocable"),
            ("get_and_delete", "irrevocable"),
            ("list_orders", ""),
            ("add_issue_comment", "irrevocable outward"),
            ("send_money", "irrevocable outward"),
            ("transfer_funds", "irrevocable outward"),
            ("get_balance", "private"),
            ("get_most_recent_transactions", "private"),
            ("delete_event", "irrevocable"),
            ("execute_sql", "irrevocable outward"),
            ("read_graph", "private"),
            ("add", ""),
            ("echo", ""),
            ("get_current_time", ""),
            ("convert_time", ""),
            ("calculate", ""),
            ("git_status", ""),
            ("printEnv", "private"),
        ] {
            check(name, "", expected);
        }
    }

    #[test]
    fn parameters_and_hints_add_to_it() {
        check("create_event", &takes(&["title"]), "private");
        check("create_event", &takes(&["title", "participants"]), "irrevocable outward");
        check("get_page", &takes(&["url"]), "outward untrusted");
        check("image", &takes(&["URL"]), "outward");
        check("tidy", r#","annotations":{"destructiveHint":true}"#, "irrevocable");
        check("look", r#","annotations":{"openWorldHint":true}"#, "untrusted");
        // A server cannot make a guess laxer.
        check(
            "send_mail",
            r#","annotations":{"readOnlyHint":true,"destructiveHint":false}"#,
            "irrevocable outward",
        );
    }

    #[test]
    fn a_name_is_split_into_words_however_it_is_written() {
        for name in ["send_emails", "sendEmails", "send-email", "Send Email", "SEND_EMAIL"] {
            assert_eq!(split(name), ["send", "email"], "{name}");
        }
        assert_eq!(split("queries"), ["query"]);
        assert_eq!(split("access"), ["access"]);
    }
}
