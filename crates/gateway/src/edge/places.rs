//! Places for connections.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Arc};

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

/// Which bound leaves no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// That on connections in all.
    All,
    /// That on connections from one address.
    Address,
}

/// The setting.
impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "`limits.connections` is reached",
            Self::Address => "`limits.connections_per_ip` is reached",
        })
    }
}

impl Places {
    /// No connections yet.
    pub fn new(total: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner { total, per_address, taken: Mutex::default() }))
    }

    /// A place for a connection from `address`.
    ///
    /// # Errors
    /// [`Full`] when there is none.
    pub fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let address = network(address);
        let mut taken = self.0.taken.lock();
        let own = taken.1.get(&address).copied().unwrap_or(0);
        if own >= self.0.per_address {
            return Err(Full::Address);
        }
        if taken.0 >= self.0.total {
            return Err(Full::All);
        }
        taken.0 = taken.0.saturating_add(1);
        taken.1.insert(address, own.saturating_add(1));
        Ok(Place { places: self.0.clone(), address })
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

/// The addresses that count as one client's.
pub(super) fn network(address: IpAddr) -> IpAddr {
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
        assert!(a.0.is_ok() && a.1.is_ok());
        assert_eq!(take("10.0.0.1").err(), Some(Full::Address));
        assert_eq!(take("::ffff:10.0.0.1").err(), Some(Full::Address));
        let b = take("2001:db8::1");
        assert!(b.is_ok());
        assert_eq!(take("10.0.0.2").err(), Some(Full::All));
        drop(a);
        assert!(take("10.0.0.1").is_ok());
    }
}
