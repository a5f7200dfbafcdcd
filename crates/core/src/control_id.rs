//! The closed set of controls, one row each.

use serde::{Serialize, Serializer};

macro_rules! controls {
    ($($variant:ident $id:literal $title:literal;)+) => {
        /// A control of the CoSAI MCP Security framework (v2.0, 12 Aug 2026).
        ///
        /// The set is closed: an identifier outside it cannot be written into a record, a metric or a
        /// refusal. The same identifier names the row of the control catalogue, the audit field, the
        /// metric label and the documentation page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ControlId {
            $(#[doc = concat!($id, ": ", $title)] $variant,)+
        }

        impl ControlId {
            /// Every control, in catalogue order.
            pub const ALL: &'static [ControlId] = &[$(ControlId::$variant),+];

            /// The catalogue identifier, for example `AZ-01`.
            pub const fn as_str(self) -> &'static str {
                match self { $(ControlId::$variant => $id,)+ }
            }

            /// The catalogue title.
            pub const fn title(self) -> &'static str {
                match self { $(ControlId::$variant => $title,)+ }
            }
        }
    };
}

controls! {
    Iam01 "IAM-01" "MCP client-to-server authentication";
    Iam02 "IAM-02" "Authorization issuer validation";
    Iam03 "IAM-03" "Agent identity";
    Iam04 "IAM-04" "User identity propagation";
    Iam05 "IAM-05" "Credential storage";
    Iam06 "IAM-06" "Credential lifetime";
    Az01 "AZ-01" "Tool-level authorization";
    Az02 "AZ-02" "Scope management";
    Az03 "AZ-03" "Delegation depth";
    Az04 "AZ-04" "Token binding";
    Az05 "AZ-05" "Scope narrowing on delegation";
    Az06 "AZ-06" "Audience restriction";
    Az07 "AZ-07" "Token passthrough ban";
    Az08 "AZ-08" "Human-in-the-loop";
    Net01 "NET-01" "Transport encryption";
    Net02 "NET-02" "Network binding";
    Net03 "NET-03" "Origin and CSRF protection";
    Net04 "NET-04" "Protocol request metadata";
    Net05 "NET-05" "Payload limits";
    Net06 "NET-06" "Message integrity";
    Net07 "NET-07" "Local HTTP exposure";
    Iso01 "ISO-01" "Execution isolation";
    Iso02 "ISO-02" "Data isolation";
    Iso03 "ISO-03" "Context isolation";
    Iso04 "ISO-04" "Snapshot and rollback";
    Log01 "LOG-01" "Action logging";
    Log02 "LOG-02" "Delegation chain logging";
    Log03 "LOG-03" "Distributed tracing";
    Log04 "LOG-04" "Log schema";
    Log05 "LOG-05" "Monitoring and alerting";
    Sc01 "SC-01" "Server provenance";
    Sc02 "SC-02" "Server inventory";
    Sc03 "SC-03" "Extension inventory";
    Sc04 "SC-04" "Update management";
    Sc05 "SC-05" "Decommissioning";
    Ti01 "TI-01" "Tool schema integrity";
    Ti02 "TI-02" "Schema validation";
    Ti03 "TI-03" "Input validation";
    Ti04 "TI-04" "Output handling";
    Ti05 "TI-05" "Cacheable result handling";
    Ti06 "TI-06" "SSRF and traversal defence";
    St01 "ST-01" "Explicit state-handle integrity";
    St02 "ST-02" "Request metadata trust";
    St03 "ST-03" "Client-held state integrity";
    St04 "ST-04" "Server and authorization discovery";
    St05 "ST-05" "Elicitation security";
    St06 "ST-06" "Deprecated feature migration";
    St07 "ST-07" "Refresh tokens";
}

impl std::fmt::Display for ControlId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ControlId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole_and_each_id_is_unique() {
        assert_eq!(ControlId::ALL.len(), 48);
        let mut ids: Vec<_> = ControlId::ALL.iter().map(|c| c.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 48);
    }
}
