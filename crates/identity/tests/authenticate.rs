//! Who is accepted, as whom, and who is not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{AuthMethod, Channel, ControlId, PrincipalKind, RefusalKind};
use portcullis_identity::{AuthConfig, Authenticator, Head};

/// Channel, peer, headers, query, listener on loopback.
type Row<'a> = (Channel, &'a str, &'a [&'a str], &'a str, bool);

/// Authenticates a request under `config`: the caller as `kind:id`, or the operator's detail.
fn check(
    config: &AuthConfig,
    (channel, peer, names, query, listener_is_loopback): Row<'_>,
) -> Result<String, String> {
    let mut headers = HeaderMap::new();
    for name in names {
        headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_static("Bearer abc"));
    }
    let query = (!query.is_empty()).then_some(query);
    let head = Head {
        channel,
        peer: peer.parse().ok(),
        certificate: None,
        headers: Some(&headers),
        query,
        listener_is_loopback,
        method: "",
        path: "",
        resource: None,
        now_ms: 0,
    };
    match now_or_never(Authenticator::new(config).authenticate(&head)) {
        Ok(caller) => Ok(format!("{:?}:{}", caller.principal.kind, caller.principal.id)),
        Err(refusal) => {
            assert_eq!(refusal.kind(), RefusalKind::Unauthenticated);
            assert_eq!(refusal.control(), Some(ControlId::Iam01));
            Err(refusal.detail().to_owned())
        }
    }
}

/// Without tokens nothing has to be waited for.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

const HTTP: Channel = Channel::Http;

#[test]
fn local_peers_are_the_local_user() {
    let accepted: &[Row<'_>] = &[
        (HTTP, "127.0.0.1", &[], "", true),
        (HTTP, "127.8.9.10", &[], "", true),
        (HTTP, "::1", &[], "a=1&token_type=x", true),
        (HTTP, "::ffff:127.0.0.1", &[], "", true),
        (Channel::LegacySse, "127.0.0.1", &[], "sessionId=access_token", true),
        // Cannot be verified, so it changes nothing.
        (HTTP, "127.0.0.1", &["authorization"], "", true),
    ];
    for row in accepted {
        assert_eq!(check(&AuthConfig::LoopbackUser, *row).as_deref(), Ok("LocalUser:loopback"), "{row:?}");
        let dev = AuthConfig::StaticDev { name: "alice".into() };
        assert_eq!(check(&dev, *row).as_deref(), Ok("Dev:alice"), "{row:?}");
    }
}

#[test]
fn everyone_else_is_refused() {
    let refused: &[(Row<'_>, &str)] = &[
        ((HTTP, "192.0.2.1", &[], "", true), "peer `192.0.2.1`"),
        ((HTTP, "192.0.2.1", &["authorization"], "", true), "peer `192.0.2.1`"),
        ((HTTP, "::ffff:192.0.2.1", &[], "", true), "peer `::ffff:192.0.2.1`"),
        ((HTTP, "0.0.0.0", &[], "", true), "peer `0.0.0.0`"),
        ((HTTP, "", &[], "", true), "peer `unknown`"),
        ((HTTP, "127.0.0.1", &[], "", false), "listener"),
        ((HTTP, "127.0.0.1", &["x-forwarded-for"], "", true), "`x-forwarded-for`"),
        ((HTTP, "127.0.0.1", &["forwarded"], "", true), "`forwarded`"),
        ((HTTP, "127.0.0.1", &["via"], "", true), "`via`"),
        ((HTTP, "127.0.0.1", &["x-real-ip"], "", true), "`x-real-ip`"),
        ((HTTP, "127.0.0.1", &[], "access_token=abc", true), "`access_token`"),
        ((HTTP, "127.0.0.1", &[], "a=1&ACCESS%5ftoken=abc", true), "`access_token`"),
        ((HTTP, "127.0.0.1", &[], "+access_token", true), "`access_token`"),
        ((HTTP, "127.0.0.1", &[], "x;id_token=abc", true), "`id_token`"),
        ((Channel::LegacySse, "127.0.0.1", &[], "refresh_token=abc", true), "`refresh_token`"),
        ((Channel::Internal, "127.0.0.1", &[], "", true), "own channel"),
    ];
    for (row, why) in refused {
        for config in [AuthConfig::LoopbackUser, AuthConfig::StaticDev { name: "alice".into() }] {
            let detail = check(&config, *row).unwrap_err();
            assert!(detail.contains(why), "{row:?}: {detail}");
            assert!(!detail.contains("abc"), "a token must not be repeated: {detail}");
        }
    }
}

#[test]
fn stdio_is_the_owner_of_the_process_and_the_gateway_is_itself() {
    let authenticator = Authenticator::new(&AuthConfig::StaticDev { name: "alice".into() });
    let head = Head {
        channel: Channel::Stdio,
        peer: None,
        certificate: None,
        headers: None,
        query: None,
        listener_is_loopback: false,
        method: "",
        path: "",
        resource: None,
        now_ms: 0,
    };
    let caller = now_or_never(authenticator.authenticate(&head)).unwrap();
    assert_eq!(caller.principal.kind, PrincipalKind::LocalUser);
    assert!(caller.principal.id.strip_prefix("uid:").unwrap().parse::<u32>().is_ok());
    assert_eq!(caller.method, AuthMethod::StdioPeer);
    let (first, second) =
        (caller.into_caller(), now_or_never(authenticator.authenticate(&head)).unwrap().into_caller());
    assert!(std::sync::Arc::ptr_eq(&first, &second), "callers are made once");
    assert_eq!(authenticator.gateway().principal.kind, PrincipalKind::Gateway);
}
