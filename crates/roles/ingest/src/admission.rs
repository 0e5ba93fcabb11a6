//! How much is taken in at once.
//!
//! Promise: the bodies held in memory stay below the limit, and one tenant
//! below its share; who comes too late is told so at once and waits outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meter::TenantId;

use crate::limits::{Limits, REQUEST_BYTES_MIN};
use crate::{Error, Result};

/// Counts bytes in flight.
pub(crate) struct Admission {
    total_max: u64,
    tenant_max: u64,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    total: u64,
    /// Only tenants with something in flight.
    tenants: HashMap<TenantId, u64>,
}

/// Bytes that one request may hold; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    tenant: TenantId,
    bytes: u64,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Admission> {
        let (total_max, tenant_max) = (limits.in_flight_bytes_max, limits.in_flight_tenant_bytes_max);
        Arc::new(Admission { total_max, tenant_max, used: Mutex::default() })
    }

    /// For a request that says it brings `declared` bytes. If they would not fit now, it
    /// is told so before it sends them; what it counts is what comes.
    pub(crate) fn admit(self: &Arc<Self>, tenant: TenantId, declared: u64) -> Result<Permit> {
        let mut permit = Permit { admission: self.clone(), tenant, bytes: 0 };
        permit.fits(&self.used(), declared)?;
        permit.grow_to(REQUEST_BYTES_MIN)?;
        Ok(permit)
    }

    pub(crate) fn in_flight_bytes(&self) -> u64 {
        self.used().total
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Asks for `bytes` in all; keeps what it has if that is more.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> Result<()> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        let mut used = self.admission.used();
        self.fits(&used, more)?;
        used.total += more;
        *used.tenants.entry(self.tenant).or_default() += more;
        self.bytes = bytes;
        Ok(())
    }

    /// Asked for so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn fits(&self, used: &Used, more: u64) -> Result<()> {
        let (total_max, tenant_max) = (self.admission.total_max, self.admission.tenant_max);
        if used.total + more > total_max {
            return Err(Error::InFlight { limit: total_max });
        }
        if used.tenants.get(&self.tenant).copied().unwrap_or_default() + more > tenant_max {
            return Err(Error::TenantInFlight { limit: tenant_max });
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self.admission.used();
        used.total -= self.bytes;
        let left = used.tenants.get(&self.tenant).copied().unwrap_or_default().saturating_sub(self.bytes);
        if left == 0 {
            used.tenants.remove(&self.tenant);
        } else {
            used.tenants.insert(self.tenant, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admission(total: u64, tenant: u64) -> Arc<Admission> {
        Admission::new(&Limits { in_flight_bytes_max: total, in_flight_tenant_bytes_max: tenant, ..Limits::default() })
    }

    #[test]
    fn one_tenant_cannot_shut_the_others_out() {
        let admission = admission(400_000, 200_000);
        let holding = |tenant| {
            let mut permit = admission.admit(TenantId(tenant), 200_000).expect("fits");
            permit.grow_to(200_000).expect("fits");
            permit
        };
        let _held = holding(1);
        assert!(matches!(admission.admit(TenantId(1), 1), Err(Error::TenantInFlight { limit: 200_000 })));
        let _other = holding(2);
        assert!(matches!(admission.admit(TenantId(3), 1), Err(Error::InFlight { limit: 400_000 })));
    }

    proptest! {
        #[test]
        fn what_is_given_back_is_what_was_taken(asks in proptest::collection::vec((1_i32..4, 0_u64..300_000, 0_u64..300_000), 0..20)) {
            let admission = admission(1_000_000, 500_000);
            let mut held = Vec::new();
            for (tenant, first, more) in asks {
                if let Ok(mut permit) = admission.admit(TenantId(tenant), first) {
                    let _ = permit.grow_to(more);
                    held.push(permit);
                }
                prop_assert!(admission.in_flight_bytes() <= 1_000_000);
                prop_assert_eq!(admission.in_flight_bytes(), held.iter().map(|permit| permit.bytes).sum::<u64>());
            }
            drop(held);
            prop_assert_eq!(admission.in_flight_bytes(), 0);
            prop_assert!(admission.used().tenants.is_empty());
        }
    }
}
