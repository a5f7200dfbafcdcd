//! Every scenario, as part of the tests.
//!
//! The programs have to be built: `cargo build -p portcullis -p portcullis-testkit`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "test code")]

use portcullis_range::{place::Place, scenarios::SCENARIOS};

async fn check(id: &str) {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.id == id);
    let scenario = scenario.unwrap_or_else(|| panic!("there is no scenario {id}"));
    let report = scenario.run(&Place::new(None).unwrap()).await;
    assert!(report.passed, "{report}");
}

macro_rules! scenarios {
    ($($name:ident $id:literal)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                check($id).await;
            }
        )+

        #[test]
        fn every_scenario_is_run() {
            let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.id).collect();
            assert_eq!(known, [$($id),+]);
        }
    };
}

scenarios! {
    s01_identity_spoofing "S-01"
    s02_tool_poisoning "S-02"
    s03_tool_schema_drift "S-03"
    s04_resource_content_poisoning "S-04"
    s05_impersonation "S-05"
    s06_shadow_servers "S-06"
    s07_over_reliance_on_the_model "S-07"
    s08_confused_deputy "S-08"
    s10_improper_multitenancy "S-10"
    s11_prompt_injection "S-11"
    s12_man_in_the_middle "S-12"
    s15_invisible_agent_activity "S-15"
    s16_credential_theft "S-16"
    s17_replay_and_hijacking "S-17"
    s18_oauth_weaknesses "S-18"
    s19_sensitive_information_disclosure "S-19"
    s20_overbroad_permissions "S-20"
    s21_command_injection "S-21"
    s22_path_traversal "S-22"
    s23_insufficient_integrity_checks "S-23"
    s24_data_exfiltration "S-24"
    s25_supply_chain_and_privileged_host "S-25"
    s26_unrestricted_network_access "S-26"
    s27_insecure_protocol_implementation "S-27"
    s28_insecure_descriptor_handling "S-28"
    s29_cross_site_request_forgery "S-29"
    s30_cross_origin_bypass "S-30"
    s31_malware "S-31"
    s32_dynamic_updates "S-32"
    s33_payload_limits "S-33"
    s34_lack_of_observability "S-34"
}
