//! Who may do what.

use portcullis_core::{
    AuthMethod, Challenge, Channel, Context, ControlId, Details, Flow, Grant, Principal, PrincipalKind,
    RefusalKind,
};
use portcullis_wire::Version;

use crate::asking::{NOW, authoriser, call, caller, local, verdict};

/// Method, item, arguments, and the verdict: policies that permit, or a part of the operator's detail.
type Row<'a> = (&'a str, &'a str, &'a str, Result<&'a str, &'a str>);

fn check(policies: &str, table: &[Row<'_>]) {
    let authoriser = authoriser(policies);
    for (method, item, arguments, expected) in table {
        // Twice, so that the remembered answer is compared as well.
        for _ in 0..2 {
            let result = verdict(authoriser.authorise(call(local(), method, item, arguments), &NOW));
            match (&result, expected) {
                (Ok(policies), Ok(expected)) => assert_eq!(policies, expected, "{method} {item} {arguments}"),
                (Err(detail), Err(part)) => {
                    assert!(detail.contains(part), "{method} {item} {arguments}: {detail}");
                }
                _ => panic!("{method} {item} {arguments}: {result:?}, expected {expected:?}"),
            }
        }
    }
}

const NO_POLICY: Result<&str, &str> = Err("no policy permits it");

#[test]
fn nothing_is_permitted_by_default() {
    let table = [
        ("tools/call", "Tool git/status", "", NO_POLICY),
        ("tools/list", "List git/tools", "", NO_POLICY),
        ("initialize", "Server *", "", NO_POLICY),
        ("ping", "Server git", "", NO_POLICY),
    ];
    check("", &table);
    check("// permit (principal, action, resource);", &table);
}

#[test]
fn scopes_select_servers_items_actions_and_groups() {
    let policies = r#"
        @id("server") permit (principal, action in Mcp::Action::"read", resource in Mcp::Server::"git");
        @id("tool") permit (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"git/status");
        @id("tasks") permit (principal, action in Mcp::Action::"call", resource is Mcp::Task in Mcp::Server::"git");
        @id("door") permit (principal, action in Mcp::Action::"any", resource in Mcp::Endpoint::"*");
        @id("uri") permit (principal, action, resource is Mcp::Resource) when { resource.uri like "file:///pub/*" };
    "#;
    check(
        policies,
        &[
            ("tools/call", "Tool git/status", "", Ok("tool")),
            ("tools/call", "Tool git/push", "", NO_POLICY),
            ("tools/call", "Tool hub/status", "", NO_POLICY),
            ("tools/list", "List git/tools", "", Ok("server")),
            ("tools/list", "List hub/tools", "", NO_POLICY),
            ("tools/list", "List */tools", "", Ok("door")),
            ("initialize", "Server *", "", Ok("door")),
            ("server/discover", "Server git", "", Ok("server")),
            ("ping", "Server hub", "", NO_POLICY),
            ("prompts/get", "Prompt git/review", "", Ok("server")),
            ("resources/read", "Resource git/file:///pub/a", "", Ok("server uri")),
            ("resources/read", "Resource hub/file:///pub/a", "", Ok("uri")),
            ("resources/read", "Resource hub/file:///etc/a", "", NO_POLICY),
            ("tasks/cancel", "Task git/17", "", Ok("tasks")),
            ("tasks/cancel", "Task hub/17", "", NO_POLICY),
        ],
    );
}

#[test]
fn what_policies_cannot_speak_of_is_refused() {
    check(
        "permit (principal, action, resource);",
        &[
            ("tools/call", "Tool git/status", "", Ok("test.cedar:1")),
            ("made/up", "Server git", "", Err("`an unknown method` is not an action")),
            ("sampling/createMessage", "Server git", "", Err("is not an action")),
            ("tools/call", "Prompt git/status", "", Err("`tools/call` does not apply to a Prompt")),
            ("tools/list", "Server git", "", Err("`tools/list` does not apply to a Server")),
            ("tools/call", "Tool */status", "", Err("a Tool has to belong to a server")),
        ],
    );
}

#[test]
fn forbid_outweighs_permit_and_tells_its_reason() {
    let authoriser = authoriser(
        r#"
        @id("all") permit (principal, action, resource);
        @id("no-push") @reason("pushing is done by the release team")
        forbid (principal, action, resource == Mcp::Tool::"git/push");
        @id("quiet") forbid (principal, action, resource == Mcp::Tool::"git/gc");
        @id("quieter") forbid (principal, action, resource in Mcp::Server::"git") when { resource is Mcp::Tool && resource.name like "p*" };
        "#,
    );
    let refusal = |tool: &str| {
        let refusal = authoriser.authorise(call(local(), "tools/call", tool, ""), &NOW).unwrap_err();
        assert_eq!((refusal.kind(), refusal.control()), (RefusalKind::Denied, Some(ControlId::Az01)));
        (refusal.public().to_owned(), refusal.detail().to_owned())
    };
    let (public, detail) = refusal("Tool git/push");
    assert_eq!(public, "pushing is done by the release team");
    assert!(detail.contains("forbidden by policy `no-push`, `quieter`"), "{detail}");
    assert!(
        detail.contains(r#"`tools/call` on `Mcp::Tool::"git/push"` by `Mcp::User::"local-user:uid:1000"`"#),
        "{detail}"
    );
    let (public, detail) = refusal("Tool git/gc");
    assert_eq!(public, "not permitted by policy");
    assert!(detail.contains("forbidden by policy `quiet`"), "{detail}");
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses() {
    let failing = [
        // A forbid that fails would allow if it were skipped.
        r#"@id("broken") forbid (principal, action == Mcp::Action::"tools/call", resource)
           when { context.arguments.amount > 100 };"#,
        r#"@id("broken") permit (principal, action == Mcp::Action::"tools/call", resource)
           when { context.arguments.amount > 100 };"#,
        r#"@id("broken") forbid (principal, action == Mcp::Action::"tools/call", resource)
           when { ip(context.arguments.host).isLoopback() };"#,
        r#"@id("broken") forbid (principal, action == Mcp::Action::"tools/call", resource)
           when { context.arguments.amount + 9223372036854775807 == 0 };"#,
    ];
    for policy in failing {
        let policies = format!(r#"@id("all") permit (principal, action, resource); {policy}"#);
        check(
            &policies,
            &[
                (
                    "tools/call",
                    "Tool git/status",
                    r#"{"amount":"101","host":"no address"}"#,
                    Err("policy `broken`"),
                ),
                ("tools/call", "Tool git/status", "", Err("policy `broken`")),
                // Other actions are outside its scope.
                ("tools/list", "List git/tools", "", Ok("all")),
            ],
        );
    }
    let authoriser = authoriser(&format!(r#"permit (principal, action, resource); {}"#, failing[0]));
    let refusal = authoriser.authorise(call(local(), "tools/call", "Tool git/status", ""), &NOW).unwrap_err();
    assert_eq!(refusal.public(), "not permitted by policy");
    assert_eq!((refusal.kind(), refusal.control()), (RefusalKind::Denied, Some(ControlId::Az01)));
}

#[test]
fn principals_tenants_actors_and_circumstances_count() {
    let authoriser = authoriser(
        r#"
        @id("me") permit (principal == Mcp::User::"dev:alice", action, resource);
        @id("kind") permit (principal in Mcp::PrincipalKind::"gateway", action, resource);
        @id("tenant") permit (principal, action, resource) when { principal has tenant && principal.tenant == "acme" };
        @id("agent") permit (principal, action, resource)
        when { context has actor && context.actor == Mcp::Agent::"dev:planner" && context.actor.id == "planner" };
        @id("token") permit (principal, action, resource)
        when {
          context.scopes.contains("git:read") && context has issuer && context.issuer == "https://as.test"
          && context has client && context.client == "editor"
        };
        @id("proven") permit (principal, action, resource) when { context.proof_of_possession };
        @id("circumstances") permit (principal, action, resource)
        when {
          context.channel == Mcp::Channel::"http" && context.version == Mcp::Version::"2025-11-25"
          && context.endpoint == "git" && context.now < 2000000000
        };
        "#,
    );
    let ask = |change: &dyn Fn(&mut portcullis_core::Call), cx: &Context| {
        let mut call = call(caller(PrincipalKind::Dev, "bob"), "tools/call", "Tool git/status", "");
        change(&mut call);
        verdict(authoriser.authorise(call, cx)).map_err(|_| ())
    };
    assert_eq!(ask(&|_| {}, &NOW), Err(()));
    assert_eq!(ask(&|call| call.caller.principal.id = "alice".into(), &NOW).as_deref(), Ok("me"));
    // The same id of another kind is somebody else.
    let local_alice = Principal { kind: PrincipalKind::LocalUser, id: "alice".into() };
    assert_eq!(ask(&|call| call.caller.principal = local_alice.clone(), &NOW), Err(()));
    assert_eq!(ask(&|call| call.caller.principal.kind = PrincipalKind::Gateway, &NOW).as_deref(), Ok("kind"));
    assert_eq!(ask(&|call| call.caller.tenant = Some("acme".into()), &NOW).as_deref(), Ok("tenant"));
    assert_eq!(ask(&|call| call.caller.tenant = Some("other".into()), &NOW), Err(()));
    let planner = Principal { kind: PrincipalKind::Dev, id: "planner".into() };
    assert_eq!(ask(&|call| call.caller.actor = Some(planner.clone()), &NOW).as_deref(), Ok("agent"));
    let grant = |scope: &str, client: Option<&str>| Grant {
        issuer: "https://as.test".into(),
        client: client.map(Into::into),
        scopes: [scope.into()].into(),
        details: Details::default(),
        token_id: None,
        token: None,
    };
    for (grant, expected) in [
        (grant("git:read", Some("editor")), Ok("token")),
        (grant("git:write", Some("editor")), Err(())),
        (grant("git:read", Some("other")), Err(())),
        (grant("git:read", None), Err(())),
        (Grant { issuer: "https://as.test/".into(), ..grant("git:read", Some("editor")) }, Err(())),
    ] {
        let asked = |call: &mut portcullis_core::Call| call.caller.grant = Some(grant.clone().into());
        assert_eq!(ask(&asked, &NOW).as_deref().map_err(|&()| ()), expected, "{grant:?}");
    }
    for method in [AuthMethod::DpopToken, AuthMethod::MtlsToken] {
        let proven = |call: &mut portcullis_core::Call| call.caller.method = method;
        assert_eq!(ask(&proven, &NOW).as_deref(), Ok("proven"));
    }
    let circumstances = |call: &mut portcullis_core::Call| {
        call.channel = Channel::Http;
        call.version = Version::V2025_11_25;
        call.endpoint = Some("git".parse().unwrap());
    };
    assert_eq!(ask(&circumstances, &NOW).as_deref(), Ok("circumstances"));
    assert_eq!(
        ask(&circumstances, &Context { now_ms: 2_000_000_000_000 }),
        Err(()),
        "time is never remembered"
    );
}

#[test]
fn a_missing_scope_is_said_when_nothing_else_is_missing() {
    let authoriser = authoriser(
        r#"
        @id("all") permit (principal, action, resource);
        @id("write") @scope("git:write") forbid (principal, action == Mcp::Action::"tools/call", resource)
        unless { context.scopes.contains("git:write") };
        @id("admin") @scope("git:admin") forbid (principal, action, resource == Mcp::Tool::"git/purge")
        unless { context.scopes.contains("git:admin") };
        @id("never") forbid (principal, action, resource == Mcp::Tool::"git/never");
        "#,
    );
    let ask = |tool: &str, scopes: &[&str]| {
        let mut call = call(caller(PrincipalKind::Oauth, "as:alice"), "tools/call", tool, "");
        let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
        let grant = Grant {
            issuer: "https://as.test".into(),
            client: None,
            scopes,
            details: Details::default(),
            token_id: None,
            token: None,
        };
        call.caller.grant = Some(grant.into());
        let item = portcullis_core::Item::Tool(tool.split_once('/').unwrap().1.into());
        let shown =
            authoriser.visible(portcullis_policy::View::from(&call), &"git".parse().unwrap(), &item, &NOW);
        let challenge =
            authoriser.authorise(call, &NOW).map(|_| ()).map_err(|refusal| refusal.challenge().cloned());
        (challenge, shown)
    };
    let needs = |scopes: &str| Err(Some(Challenge::Scopes(scopes.into())));
    assert_eq!(ask("Tool git/commit", &["git:write"]), (Ok(()), true));
    assert_eq!(ask("Tool git/commit", &[]), (needs("git:write"), true));
    assert_eq!(ask("Tool git/purge", &[]), (needs("git:write git:admin"), true));
    assert_eq!(ask("Tool git/purge", &["git:write"]), (needs("git:admin"), true));
    assert_eq!(ask("Tool git/never", &[]), (Err(None), false), "a scope would not help");
}

#[test]
fn every_kind_channel_and_version_has_a_name_in_the_schema() {
    use PrincipalKind::{Dev, Gateway, LocalUser, Oauth};
    let check = |condition: String, change: &dyn Fn(&mut portcullis_core::Call)| {
        let authoriser = authoriser(&format!("permit (principal, action, resource) when {{ {condition} }};"));
        let mut call = call(caller(Dev, "a"), "tools/call", "Tool s/t", "");
        change(&mut call);
        assert!(authoriser.authorise(&call, &NOW).is_ok(), "{condition}");
    };
    for (kind, name) in [(LocalUser, "local-user"), (Dev, "dev"), (Oauth, "oauth"), (Gateway, "gateway")] {
        let condition = format!("principal.kind == Mcp::PrincipalKind::{name:?}");
        check(condition, &|call| call.caller.principal.kind = kind);
    }
    let channels = [Channel::Http, Channel::LegacySse, Channel::Stdio, Channel::Internal];
    for (channel, name) in channels.into_iter().zip(["http", "legacy-sse", "stdio", "internal"]) {
        check(format!("context.channel == Mcp::Channel::{name:?}"), &|call| call.channel = channel);
    }
    for version in Version::ALL {
        check(format!("context.version == Mcp::Version::\"{version}\""), &|call| call.version = version);
    }
}

#[test]
fn an_explanation_names_what_could_apply() {
    let authoriser = authoriser(
        r#"
        @id("all") permit (principal, action, resource);
        @id("deep") forbid (principal, action == Mcp::Action::"tools/call", resource in Mcp::Server::"git")
        when { context.arguments has depth && context.arguments.depth > 3 };
        @id("elsewhere") forbid (principal, action, resource in Mcp::Server::"hub");
        "#,
    );
    let explanation = authoriser.explain(
        &call(local(), "tools/call", "Tool git/log", r#"{"depth":9}"#),
        &Flow::default(),
        &NOW,
    );
    let expected = "`tools/call` on `Mcp::Tool::\"git/log\"` by `Mcp::User::\"local-user:uid:1000\"`\n\
        refused: `tools/call` on `Mcp::Tool::\"git/log\"` by `Mcp::User::\"local-user:uid:1000\"`: forbidden by policy `deep`\n  \
        permit  all  matches  (test.cedar:2)\n* forbid  deep  matches  (test.cedar:3)\n2 of 3 policies could apply";
    assert_eq!(explanation.to_string(), expected);
}
