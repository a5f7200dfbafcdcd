//! What a tool's schema may cost.

/// How deep arguments may nest below the object that holds them, where a schema could follow them down.
///
/// `wire::Limits` bounds whole messages to 64 levels by default, of which the envelope takes two.
pub(super) const ARGUMENT_DEPTH: u8 = 64;

/// Bounds on one input schema, checked before it is compiled (control TI-02).
///
/// The defaults admit every schema of a thousand published tools that is valid JSON Schema at all, with
/// an order of magnitude to spare. Every bound is inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaLimits {
    /// Length in bytes. Default 256 KiB.
    pub max_bytes: usize,
    /// Containers open at the same time. Default 64.
    pub max_depth: u16,
    /// JSON values, containers included. Default 50,000.
    pub max_values: u32,
    /// Subschemas, whether referenced or not. Default 4,000.
    pub max_subschemas: usize,
    /// Assertions the validator may have to evaluate on the way from the arguments to one value in
    /// them, over all paths through `allOf`, `$ref` and the like. Default 10,000.
    pub max_evaluations: u64,
    /// Subschemas that can be under evaluation at the same time, which is what fills the stack. Default 512.
    pub max_nesting: u32,
    /// Different regular expressions. Default 64.
    pub max_patterns: usize,
    /// Length of one regular expression in bytes. Default 2,048.
    pub max_pattern_bytes: usize,
}

impl Default for SchemaLimits {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 10,
            max_depth: 64,
            max_values: 50_000,
            max_subschemas: 4_000,
            max_evaluations: 10_000,
            max_nesting: 512,
            max_patterns: 64,
            max_pattern_bytes: 2_048,
        }
    }
}
