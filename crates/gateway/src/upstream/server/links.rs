//! Links to a server with state, by whose they are.

use std::{collections::HashMap, sync::Arc, time::Duration};

use portcullis_core::{Link, LinkProfile, OnBehalf, UpstreamError};
use tokio::{sync::Mutex as Turn, time::Instant};

/// A link unused for this long may be closed to make room for another.
const SPARE: Duration = Duration::from_secs(10);

/// The links of one server.
pub(super) struct Links {
    places: HashMap<LinkProfile, Place>,
    max: usize,
    idle: Duration,
}

struct Place {
    link: Option<Arc<dyn Link>>,
    made: Instant,
    used: Instant,
    /// Taken by the caller who connects.
    turn: Arc<Turn<()>>,
}

impl Place {
    /// Whether nobody connects and nobody holds the link.
    fn is_unheld(&self) -> bool {
        Arc::strong_count(&self.turn) == 1
            && self.link.as_ref().is_none_or(|link| Arc::strong_count(link) == 1)
    }

    fn is_live(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.is_alive())
    }

    fn is_unused(&self, now: Instant, idle: Duration) -> bool {
        self.is_unheld() && (!self.is_live() || now.duration_since(self.used) >= idle)
    }
}

impl Links {
    pub(super) fn new(max: usize, idle: Duration) -> Self {
        Self { places: HashMap::new(), max, idle }
    }

    pub(super) fn live(&self) -> usize {
        self.places.values().filter(|place| place.is_live()).count()
    }

    /// The live link of this profile.
    pub(super) fn find(&mut self, profile: &LinkProfile, now: Instant) -> Option<Arc<dyn Link>> {
        let place = self.places.get_mut(profile).filter(|place| place.is_live())?;
        place.used = now;
        place.link.clone()
    }

    /// What a caller has to take before connecting for this profile. [`UpstreamError::Busy`] when there are
    /// as many links as there may be and all of them are needed.
    pub(super) fn turn(
        &mut self,
        profile: &LinkProfile,
        now: Instant,
    ) -> Result<Arc<Turn<()>>, UpstreamError> {
        if let Some(place) = self.places.get(profile) {
            return Ok(place.turn.clone());
        }
        if self.places.len() >= self.max {
            self.make_room(now)?;
        }
        let turn = Arc::default();
        let place = Place { link: None, made: now, used: now, turn: Arc::clone(&turn) };
        self.places.insert(profile.clone(), place);
        Ok(turn)
    }

    /// Closes the link that has been spare for longest.
    fn make_room(&mut self, now: Instant) -> Result<(), UpstreamError> {
        let spare = self.places.iter().filter(|(_, place)| place.is_unused(now, SPARE));
        let longest = spare.min_by_key(|(_, place)| place.used).map(|(profile, _)| profile.clone());
        self.places.remove(&longest.ok_or(UpstreamError::Busy)?);
        Ok(())
    }

    /// When the link of this profile was made, if it has ended by itself. Said once.
    pub(super) fn lost(&mut self, profile: &LinkProfile) -> Option<Instant> {
        let place = self.places.get_mut(profile).filter(|place| !place.is_live())?;
        place.link.take().map(|_| place.made)
    }

    pub(super) fn put(&mut self, profile: LinkProfile, link: Arc<dyn Link>, now: Instant) {
        let place = self.places.entry(profile).or_insert_with(|| Place {
            link: None,
            made: now,
            used: now,
            turn: Arc::default(),
        });
        (place.link, place.made, place.used) = (Some(link), now, now);
    }

    pub(super) fn remove(&mut self, profile: &LinkProfile) {
        self.places.remove(profile);
    }

    /// Takes out what nobody has used for long enough, and what has ended.
    pub(super) fn unused(&mut self, now: Instant) -> Vec<Arc<dyn Link>> {
        let idle = self.idle;
        self.places
            .extract_if(|_, place| place.is_unused(now, idle))
            .filter_map(|(_, place)| place.link)
            .collect()
    }

    /// Takes out the links that were made for a downstream session.
    pub(super) fn of_session(&mut self, session: &str) -> Vec<Arc<dyn Link>> {
        let of_session = self.places.extract_if(|profile, _| profile.session.as_deref() == Some(session));
        of_session.filter_map(|(_, place)| place.link).collect()
    }

    /// Takes out the links of those.
    pub(super) fn of(&mut self, gone: &dyn Fn(&OnBehalf) -> bool) -> Vec<Arc<dyn Link>> {
        let theirs = self.places.extract_if(|profile, _| gone(&profile.on_behalf));
        theirs.filter_map(|(_, place)| place.link).collect()
    }

    /// Takes out every link.
    pub(super) fn drain(&mut self) -> Vec<Arc<dyn Link>> {
        self.places.drain().filter_map(|(_, place)| place.link).collect()
    }
}
