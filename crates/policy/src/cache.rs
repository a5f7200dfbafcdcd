//! Decisions already made.

use std::{
    hash::{BuildHasher, RandomState},
    mem,
};

use hashbrown::HashTable;
use parking_lot::RwLock;

use crate::question::{Key, Question};

/// Independent locks. A power of two, well above the number of cores that meet in one process.
const SHARDS: usize = 64;

/// A bounded map from questions to what is known about them. A hit takes one shared lock and allocates nothing.
///
/// Each shard keeps two generations. When the younger is full it becomes the older, and the older is
/// dropped: what was asked recently survives, at the price of deciding it again once in a while. Hashes
/// are keyed per process, since resource URIs and task ids are a caller's choice.
pub(crate) struct Cache<V> {
    hasher: RandomState,
    shards: Box<[RwLock<Shard<V>>]>,
    /// Entries of one generation of one shard.
    generation: usize,
}

struct Shard<V> {
    young: HashTable<Entry<V>>,
    old: HashTable<Entry<V>>,
}

struct Entry<V> {
    hash: u64,
    key: Key,
    value: V,
}

impl<V: Clone> Cache<V> {
    /// A cache for about `entries` questions.
    pub(crate) fn new(entries: usize) -> Self {
        let shard = |_| RwLock::new(Shard { young: HashTable::new(), old: HashTable::new() });
        let shards = (0..SHARDS).map(shard).collect();
        Self { hasher: RandomState::new(), shards, generation: entries.div_ceil(2 * SHARDS).max(1) }
    }

    pub(crate) fn hash(&self, question: &Question<'_>) -> u64 {
        self.hasher.hash_one(question)
    }

    /// What is known about `question`, whose hash is `hash`.
    pub(crate) fn get(&self, hash: u64, question: &Question<'_>) -> Option<V> {
        let shard = self.shard(hash)?.read();
        let same = |entry: &Entry<V>| entry.hash == hash && entry.key.question() == *question;
        let entry = shard.young.find(hash, same).or_else(|| shard.old.find(hash, same))?;
        Some(entry.value.clone())
    }

    /// Remembers something about `question`.
    pub(crate) fn put(&self, hash: u64, question: Question<'_>, value: V) {
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.write();
        // Two requests may have decided the same question at the same time.
        if shard.young.find(hash, |entry| entry.key.question() == question).is_some() {
            return;
        }
        if shard.young.len() >= self.generation {
            shard.old = mem::take(&mut shard.young);
        }
        let entry = Entry { hash, key: question.into(), value };
        shard.young.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// The table inside a shard uses the low bits of the hash, so the shard is chosen by the high ones.
    fn shard(&self, hash: u64) -> Option<&RwLock<Shard<V>>> {
        self.shards.get((hash >> 48) as usize % SHARDS)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read()).map(|shard| shard.young.len() + shard.old.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use portcullis_core::{AuthMethod, Caller, Channel, Item, Principal, PrincipalKind, ServerName};
    use portcullis_wire::Version;

    use super::{Cache, SHARDS};
    use crate::{View, question::Question};

    #[test]
    fn it_is_bounded_and_keeps_what_is_recent() {
        let principal = Principal { kind: PrincipalKind::Dev, id: "a".into() };
        let caller =
            Caller { principal, actor: None, tenant: None, method: AuthMethod::StaticDev, grant: None };
        let view = View { caller: &caller, channel: Channel::Http, version: Version::LATEST, endpoint: None };
        let server: ServerName = "s".parse().unwrap();
        let cache = Cache::new(1024);
        let check = |n: u32, put: bool| {
            let item = Item::Tool(n.to_string().into());
            let question = Question::about_entry(view, &server, &item);
            let hash = cache.hash(&question);
            if put {
                cache.put(hash, question, n);
            }
            cache.get(hash, &question) == Some(n)
        };
        for n in 0..20_000 {
            assert!(!check(n, false), "never asked");
            assert!(check(n, true), "just asked");
            assert!(check(n, true), "asked twice");
        }
        assert!(cache.len() <= 1024 + 2 * SHARDS, "{}", cache.len());
        let kept = (19_000..20_000).filter(|n| check(*n, false)).count();
        assert!(kept > 200, "{kept} of the last 1,000");
    }
}
