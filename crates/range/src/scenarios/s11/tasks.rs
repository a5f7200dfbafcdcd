//! What people ask an assistant for, none of it needing an approval.

use super::agent::Step;

pub(super) struct Task {
    pub(super) name: &'static str,
    pub(super) steps: &'static [Step],
}

pub(super) const TASKS: &[Task] = &[
    Task {
        name: "what is in my inbox?",
        steps: &[
            ("mail__search_mails", r#"{"query":"unread"}"#),
            ("mail__read_mail", r#"{"id":"1"}"#),
            ("mail__read_mail", r#"{"id":"2"}"#),
        ],
    },
    Task {
        name: "write to Bob",
        steps: &[("mail__send_mail", r#"{"to":"bob@corp.test","subject":"Lunch","body":"Monday?"}"#)],
    },
    Task {
        name: "pay the rent if there is enough money",
        steps: &[
            ("bank__get_balance", "{}"),
            ("bank__transfer_money", r#"{"iban":"XX11RENT","amount":"900"}"#),
        ],
    },
    Task {
        name: "read up on a subject",
        steps: &[
            ("web__search_web", r#"{"query":"tides"}"#),
            ("web__fetch_page", r#"{"url":"https://tides.test/"}"#),
            ("web__fetch_page", r#"{"url":"https://moon.test/"}"#),
        ],
    },
    Task {
        name: "put what the mail says into my calendar",
        steps: &[
            ("mail__read_mail", r#"{"id":"3"}"#),
            ("calendar__create_event", r#"{"title":"Dentist","day":"friday"}"#),
        ],
    },
    Task {
        name: "note down what I spent",
        steps: &[("bank__get_balance", "{}"), ("files__write_file", r#"{"name":"budget","content":"900"}"#)],
    },
    Task {
        name: "tell Bob what my balance is",
        steps: &[
            ("bank__get_balance", "{}"),
            ("mail__send_mail", r#"{"to":"bob@corp.test","subject":"Balance","body":"1200"}"#),
        ],
    },
    Task {
        name: "which files and events are there?",
        steps: &[
            ("files__list_files", "{}"),
            ("files__read_file", r#"{"name":"minutes"}"#),
            ("calendar__list_events", r#"{"day":"monday"}"#),
        ],
    },
];
