//! Neither the memory nor the index ever changes an answer.
//!
//! Random policies are asked random questions four ways: by a fresh authoriser without memory, by one with
//! memory, by one whose memory is far too small, and by Cedar itself over all policies at once.

use std::sync::LazyLock;

use portcullis_core::{Channel, Context, PrincipalKind};
use portcullis_policy::{Options, SCHEMA, View};
use portcullis_wire::Version;
use proptest::{prelude::*, sample::select};

use crate::asking::{authoriser_with, call, caller, target};

fn policy() -> impl Strategy<Value = String> {
    let effect = select(vec!["permit", "permit", "permit", "forbid"]);
    let principal = select(vec![
        "principal",
        r#"principal == Mcp::User::"dev:a""#,
        r#"principal in Mcp::PrincipalKind::"local-user""#,
        r#"principal is Mcp::User in Mcp::PrincipalKind::"dev""#,
    ]);
    let action = select(vec![
        r#"action == Mcp::Action::"tools/call""#,
        r#"action in [Mcp::Action::"tools/call"]"#,
        r#"action in [Mcp::Action::"prompts/get", Mcp::Action::"tools/call"]"#,
    ]);
    let resource = select(vec![
        "resource",
        r#"resource in Mcp::Server::"git""#,
        r#"resource == Mcp::Tool::"git/a""#,
        r#"resource is Mcp::Tool"#,
        r#"resource is Mcp::Tool in Mcp::Server::"hub""#,
    ]);
    let condition = select(vec![
        "",
        "when { context.arguments has n && context.arguments.n > 3 }",
        "when { context.arguments.n > 3 }",
        "unless { context.arguments has n }",
        "when { context.now > 1500 }",
        r#"when { context.channel == Mcp::Channel::"http" }"#,
        r#"when { context.version == Mcp::Version::"2026-07-28" }"#,
        r#"when { context.endpoint == "git" }"#,
        r#"when { principal has tenant && principal.tenant == "x" }"#,
        r#"when { resource.name == "b" }"#,
        "when { context.now + 9223372036854774000 > 0 }",
    ]);
    (effect, principal, action, resource, condition).prop_map(
        |(effect, principal, action, resource, condition)| {
            format!("{effect} ({principal}, {action}, {resource}) {condition};\n")
        },
    )
}

#[derive(Clone, Debug)]
struct Asked {
    user: (PrincipalKind, &'static str),
    tenant: Option<&'static str>,
    item: (&'static str, &'static str),
    arguments: &'static str,
    channel: Channel,
    version: Version,
    endpoint: Option<&'static str>,
    now_ms: u64,
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        select(vec![(PrincipalKind::Dev, "a"), (PrincipalKind::LocalUser, "a"), (PrincipalKind::Dev, "b")]),
        select(vec![None, Some("x"), Some("y")]),
        select(vec![
            ("tools/call", "Tool git/a"),
            ("tools/call", "Tool git/b"),
            ("tools/call", "Tool hub/a"),
            ("prompts/get", "Prompt git/a"),
            ("prompts/get", "Prompt hub/b"),
        ]),
        select(vec!["", "{}", r#"{"n":2}"#, r#"{"n":4}"#, r#"{"n":"4"}"#]),
        select(vec![Channel::Http, Channel::Stdio]),
        select(vec![Version::V2025_11_25, Version::V2026_07_28]),
        select(vec![None, Some("git")]),
        select(vec![1_000_000, 2_000_000]),
    )
        .prop_map(|(user, tenant, item, arguments, channel, version, endpoint, now_ms)| Asked {
            user,
            tenant,
            item,
            arguments,
            channel,
            version,
            endpoint,
            now_ms,
        })
}

static CEDAR_SCHEMA: LazyLock<cedar_policy::Schema> =
    LazyLock::new(|| cedar_policy::Schema::from_cedarschema_str(SCHEMA).unwrap().0);

/// What Cedar says to all policies at once, where a policy that fails refuses.
fn reference(policies: &cedar_policy::PolicySet, asked: &Asked) -> bool {
    let kind = if asked.user.0 == PrincipalKind::Dev { "dev" } else { "local-user" };
    let user = format!("{kind}:{}", asked.user.1);
    let tenant = asked.tenant.map_or(String::new(), |tenant| format!(r#","tenant":"{tenant}""#));
    let (type_name, path) = asked.item.1.split_once(' ').unwrap();
    let (server, name) = path.split_once('/').unwrap();
    let kind_uid = format!(r#"{{"type":"Mcp::PrincipalKind","id":"{kind}"}}"#);
    let entities = format!(
        r#"[{{"uid":{{"type":"Mcp::User","id":"{user}"}},"parents":[{kind_uid}],
             "attrs":{{"kind":{{"__entity":{kind_uid}}},"id":"{}"{tenant}}}}},
            {{"uid":{{"type":"Mcp::{type_name}","id":"{path}"}},"parents":[{{"type":"Mcp::Server","id":"{server}"}}],
             "attrs":{{"server":"{server}","name":"{name}"}}}}]"#,
        asked.user.1
    );
    let channel = if asked.channel == Channel::Http { "http" } else { "stdio" };
    let context = format!(
        r#"{{"channel":{{"__entity":{{"type":"Mcp::Channel","id":"{channel}"}}}},
            "version":{{"__entity":{{"type":"Mcp::Version","id":"{}"}}}},
            "endpoint":"{}","now":{},"scopes":[],"proof_of_possession":false,"arguments":{}}}"#,
        asked.version.as_str(),
        asked.endpoint.unwrap_or("*"),
        asked.now_ms / 1000,
        if asked.arguments.is_empty() { "{}" } else { asked.arguments },
    );
    let entities = cedar_policy::Entities::from_json_str(&entities, Some(&*CEDAR_SCHEMA)).unwrap();
    let context = cedar_policy::Context::from_json_str(&context, None).unwrap();
    let uid = |type_name: &str, id: &str| format!("Mcp::{type_name}::{id:?}").parse().unwrap();
    let (principal, action) = (uid("User", &user), uid("Action", asked.item.0));
    let request = cedar_policy::Request::new(principal, action, uid(type_name, path), context, None).unwrap();
    let response = cedar_policy::Authorizer::new().is_authorized(&request, policies, &entities);
    response.diagnostics().errors().next().is_none() && response.decision() == cedar_policy::Decision::Allow
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn memory_and_index_change_nothing(
        policies in prop::collection::vec(policy(), 0..8),
        questions in prop::collection::vec(asked(), 1..40),
    ) {
        let text = policies.concat();
        let all = text.parse().unwrap();
        let fresh = authoriser_with(&text, Options { cache_entries: 0 });
        let remembering = authoriser_with(&text, Options::default());
        let forgetful = authoriser_with(&text, Options { cache_entries: 1 });
        for asked in questions {
            let mut call = call(caller(asked.user.0, asked.user.1), asked.item.0, asked.item.1, asked.arguments);
            call.caller.tenant = asked.tenant.map(Into::into);
            call.channel = asked.channel;
            call.version = asked.version;
            call.endpoint = asked.endpoint.map(|name| name.parse().unwrap());
            let cx = Context { now_ms: asked.now_ms };
            let ask = |authoriser: &portcullis_policy::Authoriser| {
                let decision = authoriser.authorise(&call, &cx);
                let decision = decision
                    .map(|permitted| permitted.policies())
                    .map_err(|refusal| (refusal.public().to_owned(), refusal.detail().to_owned()));
                let target = target(asked.item.1);
                let visible = authoriser.visible(View::from(&call), &target.server.unwrap(), &target.item, &cx);
                (decision, visible)
            };
            let expected = ask(&fresh);
            prop_assert!(expected.1 || expected.0.is_err(), "what may be called is shown: {text}{asked:?}");
            prop_assert_eq!(ask(&remembering), expected.clone(), "{}{:?}", &text, &asked);
            prop_assert_eq!(ask(&forgetful), expected.clone(), "{}{:?}", &text, &asked);
            prop_assert_eq!(reference(&all, &asked), expected.0.is_ok(), "{}{:?}", &text, &asked);
        }
    }
}
