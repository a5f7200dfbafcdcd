//! What a schema can cost at worst, worked out before it is compiled.
//!
//! The validator follows every path through a schema: thirty schemas that each say
//! `allOf: [{$ref: next}, {$ref: next}]` fit into 3 KB and make it evaluate the last one 2³⁰ times. The
//! paths are counted here without walking them. All schemas that apply to one value form a set with
//! multiplicities (the closure over in-place edges); stepping to a member or element gives the set one
//! level down. Members with different names lie on different paths, so the worst of them counts, not
//! their sum: a grammar that recurses through one of several names stays cheap, as it is.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Add, Sub},
    rc::Rc,
};

use super::{
    SchemaFault, SchemaLimits, SchemaProblem,
    graph::{Graph, Id, Step},
    keywords::Into,
    limits::ARGUMENT_DEPTH,
};

/// Upper bounds on validating any arguments against a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Assertions evaluated on the path from the root of the arguments to any one value, that value included.
    pub(super) evaluations: u64,
    /// How many of them are `uniqueItems`.
    pub(super) unique: u64,
    /// Subschemas under evaluation at once.
    pub(super) nesting: u32,
}

/// What working out the cost may itself cost, in edges looked at.
const MAX_STEPS: u64 = 2_000_000;

/// The cost of the schema in `graph`, or why it has no acceptable one.
pub(super) fn worst_case(graph: &Graph<'_>, limits: &SchemaLimits) -> Result<Cost, SchemaFault> {
    let order = InPlaceOrder::of(graph, limits)?;
    let mut analysis =
        Analysis { graph, limits, order, closures: HashMap::new(), costs: HashMap::new(), steps: MAX_STEPS };
    analysis.cost(0, ARGUMENT_DEPTH)
}

/// The subschemas in an order in which each comes before all it applies in place.
struct InPlaceOrder {
    rank: Vec<usize>,
    by_rank: Vec<Id>,
    /// In-place edges on the longest chain from each subschema, itself included.
    height: Vec<u32>,
}

impl InPlaceOrder {
    fn of(graph: &Graph<'_>, limits: &SchemaLimits) -> Result<Self, SchemaFault> {
        let count = graph.subschemas.len();
        let mut visit =
            Visit { graph, limits, state: vec![State::New; count], finished: Vec::with_capacity(count) };
        for id in 0..count {
            visit.height(id, 0)?;
        }
        let by_rank: Vec<Id> = visit.finished.iter().rev().copied().collect();
        let mut rank = vec![0; count];
        for (at, id) in by_rank.iter().enumerate() {
            if let Some(slot) = rank.get_mut(*id) {
                *slot = at;
            }
        }
        let height =
            visit.state.iter().map(|state| if let State::Height(height) = state { *height } else { 0 });
        Ok(Self { rank, by_rank, height: height.collect() })
    }
}

#[derive(Clone, Copy)]
enum State {
    New,
    Open,
    Height(u32),
}

struct Visit<'g, 's> {
    graph: &'g Graph<'s>,
    limits: &'g SchemaLimits,
    state: Vec<State>,
    finished: Vec<Id>,
}

impl Visit<'_, '_> {
    fn height(&mut self, id: Id, depth: u32) -> Result<u32, SchemaFault> {
        match self.state.get(id) {
            Some(State::Height(height)) => return Ok(*height),
            Some(State::Open) => return Err(self.graph.fault(id, SchemaProblem::EndlessRecursion)),
            _ if depth > self.limits.max_nesting => return Err(too_nested(self.graph, id, self.limits)),
            _ => self.set(id, State::Open),
        }
        let mut below = 0;
        for edge in self.graph.get(id).into_iter().flat_map(|subschema| &subschema.edges) {
            if edge.step == Step::InPlace {
                below = below.max(self.height(edge.to, depth + 1)?);
            }
        }
        self.set(id, State::Height(below + 1));
        self.finished.push(id);
        Ok(below + 1)
    }

    fn set(&mut self, id: Id, state: State) {
        if let Some(slot) = self.state.get_mut(id) {
            *slot = state;
        }
    }
}

fn too_nested(graph: &Graph<'_>, id: Id, limits: &SchemaLimits) -> SchemaFault {
    let limit = u64::from(limits.max_nesting);
    graph.fault(id, SchemaProblem::TooMany { what: "schemas nested in one another on one path", limit })
}

/// A schema that applies to a value, and how often.
#[derive(Clone, Copy)]
struct Member {
    id: Id,
    /// Times it is evaluated.
    evaluated: u64,
    /// Times an `unevaluated…` keyword asks it what it has evaluated.
    asked: u64,
}

struct Analysis<'g, 's> {
    graph: &'g Graph<'s>,
    limits: &'g SchemaLimits,
    order: InPlaceOrder,
    closures: HashMap<Id, Rc<[Member]>>,
    costs: HashMap<(Id, u8), Cost>,
    steps: u64,
}

impl<'s> Analysis<'_, 's> {
    /// Cost of applying `id` to a value with at most `depth` levels below it.
    fn cost(&mut self, id: Id, depth: u8) -> Result<Cost, SchemaFault> {
        if let Some(cost) = self.costs.get(&(id, depth)) {
            return Ok(*cost);
        }
        let members = self.closure(id)?;
        let here = self.sum(&members);
        let mut below = Weight::default();
        let mut nesting = 0;
        if depth > 0 {
            for into in [Into::Object, Into::Array] {
                let (weight, deepest) = self.below(&members, into, depth - 1)?;
                below = below.max(weight);
                nesting = nesting.max(deepest);
            }
        }
        let total = here + below;
        let cost = Cost {
            evaluations: total.evaluations.unsigned_abs(),
            unique: total.unique.unsigned_abs(),
            nesting: nesting + self.order.height.get(id).copied().unwrap_or(0),
        };
        self.accept(id, &cost)?;
        self.costs.insert((id, depth), cost);
        Ok(cost)
    }

    fn accept(&self, id: Id, cost: &Cost) -> Result<(), SchemaFault> {
        if cost.evaluations > self.limits.max_evaluations {
            let limit = self.limits.max_evaluations;
            let what = "evaluations over all paths through `allOf`, `$ref` and the like";
            return Err(self.graph.fault(id, SchemaProblem::TooMany { what, limit }));
        }
        if cost.nesting > self.limits.max_nesting {
            return Err(too_nested(self.graph, id, self.limits));
        }
        Ok(())
    }

    /// All that applies to the same value once `id` does.
    fn closure(&mut self, id: Id) -> Result<Rc<[Member]>, SchemaFault> {
        if let Some(members) = self.closures.get(&id) {
            return Ok(Rc::clone(members));
        }
        let mut members = Vec::new();
        let mut waiting = BTreeMap::from([(self.rank(id), (1_u64, 0_u64))]);
        while let Some((rank, (evaluated, asked))) = waiting.pop_first() {
            let Some(id) = self.order.by_rank.get(rank).copied() else { break };
            let Some(subschema) = self.graph.get(id) else { break };
            self.spend(id, subschema.edges.len())?;
            let asked = if subschema.unevaluated { asked.saturating_add(evaluated) } else { asked };
            members.push(Member { id, evaluated, asked });
            for edge in subschema.edges.iter().filter(|edge| edge.step == Step::InPlace) {
                let (evaluations, questions) = waiting.entry(self.rank(edge.to)).or_default();
                *evaluations = evaluations.saturating_add(evaluated).saturating_add(asked);
                *questions = questions.saturating_add(asked);
                if *evaluations > self.limits.max_evaluations {
                    self.accept(edge.to, &Cost { evaluations: *evaluations, ..Cost::default() })?;
                }
            }
        }
        let members: Rc<[Member]> = members.into();
        self.closures.insert(id, Rc::clone(&members));
        Ok(members)
    }

    fn rank(&self, id: Id) -> usize {
        self.order.rank.get(id).copied().unwrap_or(0)
    }

    fn spend(&mut self, id: Id, edges: usize) -> Result<(), SchemaFault> {
        let what = "steps needed to work out its cost";
        let problem = SchemaProblem::TooMany { what, limit: MAX_STEPS };
        self.steps = self.steps.checked_sub(1 + edges as u64).ok_or_else(|| self.graph.fault(id, problem))?;
        Ok(())
    }

    fn sum(&self, members: &[Member]) -> Weight {
        members.iter().filter_map(|member| self.graph.get(member.id).zip(Some(member))).fold(
            Weight::default(),
            |sum, (subschema, member)| {
                let times = member.evaluated.saturating_add(member.asked);
                let unique = u64::from(subschema.unique);
                sum + Weight::of(subschema.own, unique).times(times)
            },
        )
    }

    /// Cost below the worst member of an object, or element of an array, and the deepest nesting there.
    fn below(&mut self, members: &[Member], into: Into, depth: u8) -> Result<(Weight, u32), SchemaFault> {
        let mut unnamed = Weight::default();
        let mut named: BTreeMap<Place<'s>, Weight> = BTreeMap::new();
        let mut nesting = 0;
        for member in members {
            let graph = self.graph;
            let Some(subschema) = graph.get(member.id) else { continue };
            self.spend(member.id, subschema.edges.len())?;
            let mut matching = Vec::new();
            let mut other = Weight::default();
            for edge in &subschema.edges {
                let Some((place, again)) = place(edge.step, into) else { continue };
                let cost = self.cost(edge.to, depth)?;
                nesting = nesting.max(cost.nesting);
                let times = member.evaluated.saturating_add(if again { member.asked } else { 0 });
                let weight = Weight::of(cost.evaluations, cost.unique).times(times);
                match place {
                    Place::Every => unnamed = unnamed + weight,
                    Place::Other => other = other + weight,
                    named => matching.push((named, weight)),
                }
            }
            unnamed = unnamed + other;
            for (place, weight) in matching {
                let difference = named.entry(place).or_default();
                *difference = *difference + weight - other;
            }
        }
        let worst = named.into_values().fold(Weight::default(), Weight::max);
        Ok((unnamed + worst, nesting))
    }
}

/// Which members or elements an edge leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'s> {
    Name(&'s str),
    Position(usize),
    Other,
    Every,
}

/// Where `step` leads if it leads below a value of kind `into`, and whether `unevaluated…` takes it again.
fn place(step: Step<'_>, into: Into) -> Option<(Place<'_>, bool)> {
    match step {
        Step::Name(name) if into == Into::Object => Some((Place::Name(name), false)),
        Step::Position(at) if into == Into::Array => Some((Place::Position(at), false)),
        Step::Other(kind) if into == kind => Some((Place::Other, false)),
        Step::Every(kind) if into == kind => Some((Place::Every, false)),
        Step::EveryAgain(kind) if into == kind => Some((Place::Every, true)),
        _ => None,
    }
}

/// The summable part of a cost. Signed, as the difference a name makes can be negative.
#[derive(Clone, Copy, Default)]
struct Weight {
    evaluations: i64,
    unique: i64,
}

impl Weight {
    fn of(evaluations: u64, unique: u64) -> Self {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Self { evaluations: signed(evaluations), unique: signed(unique) }
    }

    fn times(self, times: u64) -> Self {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        Self {
            evaluations: self.evaluations.saturating_mul(times),
            unique: self.unique.saturating_mul(times),
        }
    }

    fn max(self, other: Self) -> Self {
        Self { evaluations: self.evaluations.max(other.evaluations), unique: self.unique.max(other.unique) }
    }
}

impl Add for Weight {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            evaluations: self.evaluations.saturating_add(other.evaluations),
            unique: self.unique.saturating_add(other.unique),
        }
    }
}

impl Sub for Weight {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            evaluations: self.evaluations.saturating_sub(other.evaluations),
            unique: self.unique.saturating_sub(other.unique),
        }
    }
}
