//! What a token grants in detail (RFC 9396).

use std::{slice::from_ref, sync::Arc};

use portcullis_core::{
    AuthorizationDetail, Challenge, ControlId, Details, Flow, Grant, PrincipalKind, Scalar, ToolCalls,
};
use portcullis_policy::{Authoriser, View};

use crate::asking::{NOW, authoriser, call, caller};

const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
@id("pay") @authorization_details("mcp_tool_call")
forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"bank/pay")
unless { context.authorization_details.covers && context.authorization_details.constrained.contains("to") };
@id("wire") @authorization_details("payment mcp_tool_call")
forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"bank/wire")
unless { context.authorization_details.types.contains("payment") };
"#;

fn texts(texts: &[&str]) -> Option<Arc<[Arc<str>]>> {
    (!texts.is_empty()).then(|| texts.iter().map(|text| Arc::from(*text)).collect())
}

/// A detail for calls of these tools of `bank`, with these values of the argument `to`.
fn calls(tools: &[&str], to: &[Scalar]) -> AuthorizationDetail {
    let arguments = if to.is_empty() { Arc::default() } else { Arc::from([("to".into(), Arc::from(to))]) };
    let calls =
        ToolCalls { server: Some("bank".into()), tools: texts(tools), arguments, ..ToolCalls::default() };
    AuthorizationDetail {
        kind: "mcp_tool_call".into(),
        json: format!("{calls:?}").into(),
        calls: Some(calls),
    }
}

fn other(kind: &str) -> AuthorizationDetail {
    AuthorizationDetail { kind: kind.into(), json: "{}".into(), calls: None }
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}

struct Asked {
    /// What is wanted in detail, where that is what is missing.
    wanted: Result<(), Option<String>>,
    shown: bool,
}

fn ask(
    authoriser: &Authoriser,
    details: &[AuthorizationDetail],
    item: &str,
    arguments: &str,
    flow: &Flow,
) -> Asked {
    let mut call = call(caller(PrincipalKind::Oauth, "as:alice"), "tools/call", item, arguments);
    let grant = Grant {
        issuer: "https://as.test".into(),
        client: None,
        scopes: Arc::default(),
        details: details.iter().cloned().collect::<Details>(),
        token_id: None,
        token: None,
    };
    call.caller.grant = Some(grant.into());
    let (server, item) = (call.target.server.clone().unwrap(), call.target.item.clone());
    let shown = authoriser.visible(View::from(&call), &server, &item, &NOW);
    let wanted = authoriser.authorise_in(call, flow, &NOW).map(|_| ()).map_err(|refusal| {
        let lacks = refusal.challenge() == Some(&Challenge::Details);
        assert!(!lacks || refusal.control() == Some(ControlId::Az02), "{refusal:?}");
        lacks.then(|| String::from_utf8(refusal.error_data().unwrap().to_vec()).unwrap())
    });
    Asked { wanted, shown }
}

#[test]
fn a_token_with_details_is_for_the_calls_they_cover() {
    let authoriser = authoriser(POLICY);
    let (to_a, any) = (calls(&["pay"], &[text("a"), Scalar::Number("5".into())]), calls(&[], &[]));
    let elsewhere = {
        let mut detail = any.clone();
        detail.calls.as_mut().unwrap().is_elsewhere = true;
        detail
    };
    for (details, item, arguments, allowed, shown) in [
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":"a"}"#, true, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":"\u0061"}"#, true, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":5.0}"#, true, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":"b"}"#, false, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":"5"}"#, false, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":["a"]}"#, false, true),
        (from_ref(&to_a), "Tool bank/pay", r#"{"to":null}"#, false, true),
        (from_ref(&to_a), "Tool bank/pay", "{}", false, true),
        (from_ref(&to_a), "Tool bank/pay", "", false, true),
        (from_ref(&to_a), "Tool bank/balance", "{}", false, false),
        (from_ref(&to_a), "Tool hub/pay", r#"{"to":"a"}"#, false, false),
        (&[to_a.clone(), any.clone()], "Tool bank/balance", "{}", true, true),
        (&[to_a.clone(), elsewhere.clone()], "Tool bank/balance", "{}", false, false),
        (&[elsewhere], "Tool bank/balance", "{}", false, false),
        // What is for others restricts nothing here, and grants nothing.
        (&[other("notes")], "Tool bank/balance", "{}", true, true),
        (&[], "Tool bank/balance", "{}", true, true),
        // Policies have their say as well.
        (from_ref(&any), "Tool bank/pay", r#"{"to":"a"}"#, false, true),
        (&[other("payment"), any.clone()], "Tool bank/wire", "{}", true, true),
        (&[], "Tool bank/wire", "{}", false, true),
    ] {
        // Twice, so that the remembered answer is compared as well.
        for _ in 0..2 {
            let asked = ask(&authoriser, details, item, arguments, &Flow::default());
            assert_eq!(
                (asked.wanted.is_ok(), asked.shown),
                (allowed, shown),
                "{details:?} {item} {arguments}"
            );
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    let authoriser = authoriser(POLICY);
    let needed = Flow { needs_detail: true, ..Flow::default() };
    const PAY: &str = r#"{"authorization_details":[{"type":"mcp_tool_call","actions":["tools/call"],"identifier":"bank","tools":["pay"]}]}"#;
    let balance = PAY.replace("pay", "balance");
    let wire = PAY.replace(r#"[{"#, r#"[{"type":"payment"},{"#).replace("\"pay\"", "\"wire\"");
    for (details, item, flow, wanted) in [
        (&[][..], "Tool bank/pay", &Flow::default(), Err(Some(PAY.to_owned()))),
        (&[calls(&["balance"], &[])], "Tool bank/pay", &Flow::default(), Err(Some(PAY.to_owned()))),
        (&[], "Tool bank/wire", &Flow::default(), Err(Some(wire))),
        // By the settings of the server.
        (&[], "Tool bank/balance", &Flow::default(), Ok(())),
        (&[], "Tool bank/balance", &needed, Err(Some(balance.clone()))),
        (&[other("payment")], "Tool bank/balance", &needed, Err(Some(balance))),
        (&[calls(&["balance"], &[])], "Tool bank/balance", &needed, Ok(())),
    ] {
        let asked = ask(&authoriser, details, item, "{}", flow);
        assert_eq!(asked.wanted, wanted, "{details:?} {item}");
        // Whoever has none may get one, and looks for the tool in the list.
        assert!(!details.is_empty() || asked.shown, "{item}");
    }
}

#[test]
fn what_is_for_one_is_no_remedy_for_another() {
    let authoriser = authoriser(
        r#"
        @id("all") permit (principal, action, resource);
        @id("a") @authorization_details("payment") forbid (principal, action, resource == Mcp::Tool::"bank/pay");
        @id("b") forbid (principal, action, resource == Mcp::Tool::"bank/pay");
        "#,
    );
    assert_eq!(ask(&authoriser, &[], "Tool bank/pay", "{}", &Flow::default()).wanted, Err(None));
}
