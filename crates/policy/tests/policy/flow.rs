//! What has entered a conversation decides what may still be done.

use portcullis_core::{Deed, Flow, Label, LabelClass, Labels, RecordId};
use portcullis_policy::{Grant, PolicySet, init_policy, run_policy};

use crate::asking::{NOW, authoriser, call, local, verdict};

/// The labels of a conversation, as `untrusted:mail private:files`.
fn labels(text: &str) -> Labels {
    let label = |(at, word): (usize, &str)| {
        let (class, server) = word.split_once(':').unwrap();
        let class = if class == "private" { LabelClass::Private } else { LabelClass::Untrusted };
        let record = RecordId::new("n".into(), at.try_into().unwrap());
        Label { class, server: server.parse().unwrap(), record }
    };
    Labels::new(text.split_whitespace().enumerate().map(label))
}

fn flow(text: &str, deeds: &[Deed], approved: bool) -> Flow {
    Flow { labels: labels(text), conduct: deeds.iter().copied().collect(), approved, ..Flow::default() }
}

const OUT: &[Deed] = &[Deed::Outward];
const ACT: &[Deed] = &[Deed::Irrevocable];
const SEND: &[Deed] = &[Deed::Outward, Deed::Irrevocable];
const READ: &[Deed] = &[Deed::Untrusted, Deed::Private];

#[test]
fn the_first_policies_keep_data_in_and_deeds_back() {
    let server = "a".parse().unwrap();
    for policy in [run_policy(&server), init_policy(&[Grant::AllTools(server)])] {
        let authoriser = authoriser(&policy);
        let tool = call(local(), "tools/call", "Tool a/b", "");
        for (labels, deeds, approved, refused_by) in [
            ("", SEND, false, None),
            ("private:a", SEND, false, None),
            ("untrusted:a", OUT, false, None),
            ("untrusted:a", ACT, false, Some("flow-untrusted-does-not-act")),
            ("untrusted:a", SEND, false, Some("flow-untrusted-does-not-act")),
            ("untrusted:a private:b", OUT, false, Some("flow-private-stays")),
            ("untrusted:a private:b", READ, false, None),
            ("untrusted:a private:b", &[], false, None),
            ("untrusted:a private:b", SEND, true, None),
        ] {
            let result = verdict(authoriser.authorise_in(&tool, &flow(labels, deeds, approved), &NOW));
            match refused_by {
                None => assert!(result.is_ok(), "{labels} {deeds:?}: {result:?}"),
                Some(policy) => {
                    let told = result.unwrap_err();
                    assert!(told.contains(policy), "{labels} {deeds:?}: {told}");
                    assert!(told.contains("untrusted:a since n-0"), "{told}");
                }
            }
        }
    }
}

#[test]
fn a_set_knows_whether_labels_matter_to_it() {
    for (text, permits, looks) in [
        ("", false, false),
        ("permit (principal, action, resource);", true, false),
        (
            r#"permit (principal, action, resource) when { context.channel == Mcp::Channel::"http" };"#,
            true,
            false,
        ),
        (
            r#"permit (principal, action, resource) unless { context.labels.contains("untrusted") };"#,
            true,
            true,
        ),
        (
            r#"permit (principal, action, resource);
               forbid (principal, action, resource) when { context has labels && context.labels.contains("private") };"#,
            true,
            true,
        ),
    ] {
        let set = PolicySet::load(&[("test.cedar", text)]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!((set.permits_something(), set.looks_at_labels()), (permits, looks), "{text}");
    }
}

#[test]
fn policies_see_servers_and_conduct_and_nothing_is_remembered_of_them() {
    let authoriser = authoriser(
        r#"@id("all") permit (principal, action, resource);
           @id("web") forbid (principal, action, resource) when { context.labels.contains("untrusted:web") };
           @id("out") forbid (principal, action in Mcp::Action::"call", resource)
             when { context.conduct.contains("outward") && !context.approved };"#,
    );
    for (method, item, labels, deeds, expected) in [
        ("tools/call", "Tool a/b", "untrusted:web", READ, false),
        ("tools/call", "Tool a/b", "untrusted:mail", READ, true),
        ("tools/call", "Tool a/b", "", OUT, false),
        ("tools/call", "Tool a/b", "", READ, true),
        ("resources/read", "Resource a/x:y", "untrusted:web", READ, false),
        ("resources/read", "Resource a/x:y", "", OUT, true),
    ] {
        let asked = call(local(), method, item, "");
        let result = authoriser.authorise_in(&asked, &flow(labels, deeds, false), &NOW);
        assert_eq!(result.is_ok(), expected, "{method} {labels} {deeds:?}");
    }
    // In a list it is what a first call could do that counts.
    let tool = call(local(), "tools/call", "Tool a/b", "");
    let target = tool.target.clone();
    assert!(authoriser.visible((&tool).into(), &target.server.unwrap(), &target.item, &NOW));
}
