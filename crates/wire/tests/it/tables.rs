//! The tables of versions, methods and codes are consistent.

use std::collections::HashSet;

use portcullis_wire::method::{Direction, METHODS, Method, Shape};
use portcullis_wire::{Era, Version, code};

#[test]
fn versions_are_ordered_and_round_trip() {
    assert!(Version::ALL.is_sorted() && Version::ALL.contains(&Version::LATEST));
    for version in Version::ALL {
        assert_eq!(version.as_str().parse(), Ok(version));
        assert_eq!(version.has_sessions(), version.era() == Era::Legacy);
        assert_eq!(version.era() == Era::Modern, version > Version::LATEST_LEGACY);
    }
    let batches: Vec<_> = Version::ALL.into_iter().filter(|version| version.allows_batch()).collect();
    assert_eq!(batches, [Version::V2024_11_05, Version::V2025_03_26]);
    for unknown in ["", "2026-07-28 ", "2024-10-07", "DRAFT-2026-v1", "2025-06-18\0"] {
        assert!(unknown.parse::<Version>().is_err());
    }
}

#[test]
fn every_method_has_its_row() {
    let mut names = HashSet::new();
    for row in METHODS {
        assert!(names.insert(row.name));
        assert_eq!(row.method.info(), Some(row));
        assert_eq!(Method::parse(row.name), row.method);
        assert_eq!(row.name.starts_with("notifications/"), row.shape == Shape::Notification, "{}", row.name);
        assert!(row.until.is_none_or(|last| row.since <= last));
    }
    assert_eq!((Method::Other.info(), Method::Other.as_str()), (None, None));
    for unknown in ["", "Tools/call", "tools/call ", "tools/call/x", "notifications"] {
        assert_eq!(Method::parse(unknown), Method::Other);
    }
}

/// How many requests and notifications each schema defines as messages, tasks extension included.
#[test]
fn counts_match_the_schemas() {
    let counts = Version::ALL.map(|version| {
        let rows =
            |shape| METHODS.iter().filter(|row| row.shape == shape && row.method.exists_in(version)).count();
        (rows(Shape::Request), rows(Shape::Notification))
    });
    assert_eq!(counts, [(15, 9), (15, 9), (16, 9), (20, 11), (10 + 3, 8 + 1)]);
}

/// What each side may send, as the client and server unions of the schemas list it.
#[test]
fn directions_match_the_schemas() {
    let sent = |version, shape, direction| {
        let may = |method: Method| {
            method.direction_in(version).is_some_and(|d| d == direction || d == Direction::Both)
        };
        METHODS.iter().filter(|row| row.shape == shape && may(row.method)).count()
    };
    for (version, requests, notifications) in
        [(Version::V2025_11_25, (17, 8), (5, 9)), (Version::V2026_07_28, (10 + 3, 0), (1, 8 + 1))]
    {
        for (direction, requests, notifications) in [
            (Direction::ToServer, requests.0, notifications.0),
            (Direction::ToClient, requests.1, notifications.1),
        ] {
            assert_eq!(sent(version, Shape::Request, direction), requests, "{version} {direction:?}");
            assert_eq!(
                sent(version, Shape::Notification, direction),
                notifications,
                "{version} {direction:?}"
            );
        }
    }
    assert_eq!(Method::Ping.direction_in(Version::LATEST), None);
    assert_eq!(Method::Other.direction_in(Version::LATEST), None);
}

#[test]
fn the_table_says_what_the_specification_says() {
    let with =
        |f: fn(Method) -> bool| METHODS.iter().map(|row| row.method).filter(|m| f(*m)).collect::<Vec<_>>();
    assert_eq!(
        with(Method::may_require_input),
        [Method::ToolsCall, Method::PromptsGet, Method::ResourcesRead]
    );
    assert_eq!(
        with(Method::is_cacheable),
        [
            Method::ServerDiscover,
            Method::ToolsList,
            Method::PromptsList,
            Method::ResourcesList,
            Method::ResourcesTemplatesList,
            Method::ResourcesRead
        ]
    );
    let named: Vec<_> =
        METHODS.iter().filter_map(|row| row.name_param.map(|param| (row.name, param))).collect();
    assert_eq!(
        named,
        [
            ("tools/call", "name"),
            ("prompts/get", "name"),
            ("resources/read", "uri"),
            ("tasks/get", "taskId"),
            ("tasks/cancel", "taskId"),
            ("tasks/update", "taskId")
        ]
    );
}

#[test]
fn our_codes_are_outside_the_reserved_range() {
    for own in [code::POLICY_DENIED, code::LIMIT_EXCEEDED, code::UPSTREAM_FAILED] {
        assert!(!code::is_reserved(own));
    }
    for reserved in [code::PARSE_ERROR, code::HEADER_MISMATCH, code::RESOURCE_NOT_FOUND, -32768, -32000] {
        assert!(code::is_reserved(reserved));
    }
}
