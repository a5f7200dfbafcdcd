//! One definition, and a list of them.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use portcullis_core::{Conduct, Digest, Finding, Hold, ListKind, Standing, wire::header::MirroredParam};
use portcullis_inspect::{Admitted, ToolSchema, conduct};

use crate::views::Narrow;

/// A tool, prompt, resource or template as its server defines it.
#[derive(Debug)]
pub struct Entry {
    /// The server's own name (`name`, `uri` or `uriTemplate`).
    pub name: Arc<str>,
    /// The definition, byte for byte.
    pub raw: Bytes,
    /// Digest of `raw`.
    pub digest: Digest,
    /// The compiled `inputSchema`; tools only.
    pub schema: Option<Arc<ToolSchema>>,
    /// The compiled `outputSchema`, of tools that have one.
    pub output_schema: Option<Arc<ToolSchema>>,
    /// Arguments mirrored into `Mcp-Param-*` headers; tools only.
    pub mirrored: Arc<[MirroredParam]>,
    /// What it does with data, as far as the definition tells; tools only.
    pub conduct: Conduct,
    /// The broad tool behind it; views only.
    pub narrow: Option<Arc<Narrow>>,
}

impl Entry {
    /// The entry of a definition that has been inspected.
    pub fn new(admitted: &Admitted, mirrored: Vec<MirroredParam>) -> Self {
        let definition = admitted.definition();
        Self {
            name: definition.name().clone(),
            raw: definition.document().bytes().clone(),
            digest: definition.digest(),
            schema: admitted.schema().cloned(),
            output_schema: admitted.output_schema().cloned(),
            mirrored: mirrored.into(),
            conduct: match definition.kind() {
                ListKind::Tools => conduct::infer(definition).conduct(),
                _ => Conduct::default(),
            },
            narrow: None,
        }
    }
}

/// A whole list.
#[derive(Debug)]
pub struct List {
    /// In the server's order.
    pub entries: Vec<Arc<Entry>>,
    by_name: HashMap<Arc<str>, usize>,
    /// Digest over all entries, in order.
    pub digest: Digest,
    /// Until when it may be shown again without asking, in milliseconds since the epoch.
    pub fresh_until_ms: u64,
    /// `ttlMs` the server gave, 0 when it gave none.
    pub ttl_ms: u64,
    /// Whether the server allowed sharing across callers (`cacheScope: "public"`).
    pub public: bool,
    /// Names that were refused, with the reason; for operators.
    pub refused: Vec<(String, String)>,
    /// What was noticed in entries that were not refused; for operators.
    pub noticed: Vec<Finding>,
    /// Names that are held back, and why.
    held: HashMap<Arc<str>, Hold>,
}

impl List {
    /// Builds the index. Of two entries with one name neither is offered: a client could not tell which
    /// it would get.
    pub fn new(
        entries: Vec<Arc<Entry>>,
        mut refused: Vec<(String, String)>,
        fresh_until_ms: u64,
        ttl_ms: u64,
        public: bool,
    ) -> Self {
        let mut seen: HashMap<Arc<str>, usize> = HashMap::with_capacity(entries.len());
        for entry in &entries {
            *seen.entry(entry.name.clone()).or_default() += 1;
        }
        let (entries, twice): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| seen.get(&e.name).is_some_and(|n| *n == 1));
        refused.extend(twice.iter().map(|e| (e.name.to_string(), "defined more than once".to_owned())));
        let by_name = entries.iter().enumerate().map(|(at, e)| (e.name.clone(), at)).collect();
        let digest = Digest::of_parts(entries.iter().map(|e| e.digest.as_bytes().as_slice()));
        Self {
            entries,
            by_name,
            digest,
            fresh_until_ms,
            ttl_ms,
            public,
            refused,
            noticed: Vec::new(),
            held: HashMap::new(),
        }
    }

    /// The list without the entries that are not trusted; `standings` has one for each entry, in order.
    #[must_use]
    pub fn holding_back(self, standings: &[Standing]) -> Self {
        let mut held = HashMap::new();
        let mut kept = Vec::with_capacity(self.entries.len());
        // An entry without a standing was not looked at.
        let standings = standings.iter().copied().chain(std::iter::repeat(Standing::Held(Hold::Unapproved)));
        for (entry, standing) in self.entries.into_iter().zip(standings) {
            match standing {
                Standing::Trusted => kept.push(entry),
                Standing::Held(hold) => {
                    held.insert(entry.name.clone(), hold);
                }
            }
        }
        let noticed = self.noticed;
        Self { held, noticed, ..Self::new(kept, self.refused, self.fresh_until_ms, self.ttl_ms, self.public) }
    }

    /// The list with these entries in place of those that `is_broad` names, which are held back.
    #[must_use]
    pub(crate) fn narrowed(
        self,
        is_broad: impl Fn(&str) -> bool,
        narrow: Vec<Arc<Entry>>,
        faults: Vec<(String, String)>,
    ) -> Self {
        let Self { entries, refused, fresh_until_ms, ttl_ms, public, mut held, .. } = self;
        let (broad, mut kept): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| is_broad(&entry.name));
        held.extend(broad.iter().map(|entry| (entry.name.clone(), Hold::Narrowed)));
        kept.extend(narrow);
        let refused = refused.into_iter().chain(faults).collect();
        Self { held, ..Self::new(kept, refused, fresh_until_ms, ttl_ms, public) }
    }

    /// Why the entry of that name is held back, if it is.
    pub fn held(&self, name: &str) -> Option<Hold> {
        self.held.get(name).copied()
    }

    /// An empty list that stays fresh until told otherwise.
    pub fn empty() -> Self {
        Self::new(Vec::new(), Vec::new(), u64::MAX, 0, true)
    }

    /// The entry of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.by_name.get(name).and_then(|at| self.entries.get(*at))
    }
}
