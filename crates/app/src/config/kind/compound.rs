//! Kinds made of other kinds.

use serde_json::{Value as Json, json};

use super::{Describe, Kind, Place, wrong_shape};
use crate::config::{problem::Fault, tree::Node};

/// Something that may be left out.
pub(crate) struct Maybe<K>(pub(crate) K);

impl<K: Describe> Describe for Maybe<K> {
    fn phrase(&self) -> String {
        self.0.phrase()
    }

    fn schema(&self) -> Json {
        self.0.schema()
    }

    fn show(&self, node: &Node) -> String {
        self.0.show(node)
    }
}

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Self::Value, Vec<Fault>> {
        self.0.read(node, place).map(Some)
    }

    fn absent(&self) -> Option<Self::Value> {
        Some(None)
    }
}

/// A list in which every element is of one kind.
pub(crate) struct List<K>(pub(crate) K);

impl<K: Describe> Describe for List<K> {
    fn phrase(&self) -> String {
        format!("a list; each element {}", self.0.phrase())
    }

    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.0.schema() })
    }

    fn show(&self, node: &Node) -> String {
        let items: Vec<String> =
            node.items().unwrap_or_default().iter().map(|item| self.0.show(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Self::Value, Vec<Fault>> {
        let items = node.items().ok_or_else(|| wrong_shape(self, node))?;
        read_items(&self.0, items, place)
    }

    fn absent(&self) -> Option<Self::Value> {
        Some(Vec::new())
    }
}

/// One element, or a list of them.
pub(crate) struct OneOrMore<K>(pub(crate) K);

impl<K: Describe> Describe for OneOrMore<K> {
    fn phrase(&self) -> String {
        format!("{}; or a list of them", self.0.phrase())
    }

    fn schema(&self) -> Json {
        let one = self.0.schema();
        json!({ "oneOf": [one, { "type": "array", "items": one }] })
    }
}

impl<K: Kind> Kind for OneOrMore<K> {
    type Value = Vec<K::Value>;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Self::Value, Vec<Fault>> {
        match node.items() {
            Some(items) => read_items(&self.0, items, place),
            None => self.0.read(node, place).map(|one| vec![one]),
        }
    }

    fn absent(&self) -> Option<Self::Value> {
        Some(Vec::new())
    }
}

fn read_items<K: Kind>(kind: &K, items: &[Node], place: &Place<'_>) -> Result<Vec<K::Value>, Vec<Fault>> {
    gather(items.iter().enumerate().map(|(index, item)| {
        let inside = |fault: Fault| fault.within(&format!("[{index}]"));
        kind.read(item, place).map_err(|faults| faults.into_iter().map(inside).collect())
    }))
}

/// All values, or all faults.
pub(crate) fn gather<T>(results: impl Iterator<Item = Result<T, Vec<Fault>>>) -> Result<Vec<T>, Vec<Fault>> {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}
