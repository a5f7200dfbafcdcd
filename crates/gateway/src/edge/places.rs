//! Places for connections.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

/// Counts connections in all and per client address. An IPv6 client is its /64, since it can take any
/// address of it.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_address: usize,
    taken: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// A place taken; given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Inner>,
    address: IpAddr,
}

impl Places {
    /// No connections yet.
    pub fn new(total: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner { total, per_address, taken: Mutex::default() }))
    }

    /// A place for a connection from `address`, if there is one.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut taken = self.0.taken.lock();
        let own = taken.1.get(&address).copied().unwrap_or(0);
        if taken.0 >= self.0.total || own >= self.0.per_address {
            return None;
        }
        taken.0 = taken.0.saturating_add(1);
        taken.1.insert(address, own.saturating_add(1));
        Some(Place { places: self.0.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.0 = taken.0.saturating_sub(1);
        if let Some(own) = taken.1.get_mut(&self.address) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.1.remove(&self.address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_per_address_and_in_all_and_come_back() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(address.parse().unwrap_or(IpAddr::from([0; 4])));
        let a = (take("10.0.0.1"), take("10.0.0.1"));
        assert!(a.0.is_some() && a.1.is_some());
        assert!(take("10.0.0.1").is_none());
        assert!(take("::ffff:10.0.0.1").is_none());
        let b = take("2001:db8::1");
        assert!(b.is_some());
        assert!(take("10.0.0.2").is_none());
        drop(a);
        assert!(take("10.0.0.1").is_some());
    }
}
