//! Words in names, and what they say. One row a word group; the first reason found is the one told.

use portcullis_core::Deed;

/// Words that say that something is read.
pub(super) const READS: &[&str] = &[
    "browse",
    "check",
    "describe",
    "download",
    "fetch",
    "find",
    "get",
    "inspect",
    "list",
    "load",
    "lookup",
    "open",
    "peek",
    "query",
    "read",
    "receive",
    "retrieve",
    "search",
    "show",
    "summarize",
    "view",
    "watch",
];

/// Words that say that something is done, and what that means.
pub(super) const ACTS: &[(&[&str], &[Deed])] = &[
    // To somebody or to the public, for good.
    (
        &[
            "announce", "comment", "dispatch", "email", "forward", "invite", "message", "notify", "post",
            "publish", "reply", "send", "share", "sms", "submit", "tweet", "upload", "webhook",
        ],
        &[Deed::Outward, Deed::Irrevocable],
    ),
    // Money and promises.
    (
        &[
            "book",
            "buy",
            "donate",
            "order",
            "pay",
            "payment",
            "purchase",
            "refund",
            "reserve",
            "subscribe",
            "trade",
            "transfer",
            "withdraw",
        ],
        &[Deed::Outward, Deed::Irrevocable],
    ),
    // What is lost afterwards.
    (
        &[
            "clear",
            "delete",
            "destroy",
            "drop",
            "edit",
            "erase",
            "kill",
            "merge",
            "modify",
            "move",
            "overwrite",
            "purge",
            "remove",
            "rename",
            "replace",
            "reset",
            "revoke",
            "set",
            "terminate",
            "truncate",
            "uninstall",
            "update",
            "wipe",
            "write",
        ],
        &[Deed::Irrevocable],
    ),
    // Anything at all.
    (
        &[
            "bash", "command", "deploy", "eval", "exec", "execute", "install", "run", "script", "shell",
            "terminal",
        ],
        &[Deed::Outward, Deed::Irrevocable],
    ),
    // Rights of others.
    (&["allow", "authorize", "grant", "permit"], &[Deed::Irrevocable]),
    // A new thing in a place that others see is published; see `PUBLIC`.
    (&["add", "create", "open", "push"], &[]),
];

/// Places that others see: something new there has left.
pub(super) const PUBLIC: &[&str] = &[
    "channel",
    "comment",
    "discussion",
    "gist",
    "issue",
    "pr",
    "pull",
    "release",
    "review",
    "thread",
    "ticket",
];

/// Nouns whose content others write.
pub(super) const WRITTEN_BY_OTHERS: &[&str] = &[
    "article",
    "channel",
    "chat",
    "comment",
    "discussion",
    "email",
    "feed",
    "forum",
    "html",
    "inbox",
    "internet",
    "invitation",
    "issue",
    "mail",
    "message",
    "news",
    "page",
    "post",
    "pr",
    "pull",
    "reddit",
    "review",
    "rss",
    "slack",
    "thread",
    "ticket",
    "tweet",
    "url",
    "web",
    "webpage",
    "website",
    "wikipedia",
    "youtube",
];

/// Words for getting something from the network.
pub(super) const FROM_THE_NETWORK: &[&str] = &["browse", "crawl", "fetch", "http", "navigate", "scrape"];

/// Nouns of what is not meant for everybody.
pub(super) const NOT_FOR_EVERYBODY: &[&str] = &[
    "account",
    "attachment",
    "balance",
    "calendar",
    "contact",
    "credential",
    "customer",
    "database",
    "db",
    "directory",
    "document",
    "drive",
    "email",
    "employee",
    "env",
    "environment",
    "event",
    "file",
    "folder",
    "graph",
    "history",
    "iban",
    "inbox",
    "key",
    "mail",
    "memory",
    "message",
    "note",
    "password",
    "patient",
    "payroll",
    "profile",
    "repo",
    "repository",
    "salary",
    "secret",
    "sql",
    "statement",
    "table",
    "token",
    "transaction",
    "user",
    "vault",
];

/// Parameters that say where something goes.
pub(super) const DESTINATIONS: &[&str] = &[
    "attendees",
    "bcc",
    "callback",
    "cc",
    "email",
    "endpoint",
    "invitees",
    "participants",
    "phone",
    "recipient",
    "recipients",
    "webhook",
];

/// Parameters that name a place on the network.
pub(super) const PLACES: &[&str] = &["host", "href", "link", "uri", "url", "website"];
