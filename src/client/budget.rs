//! How often somebody may fail to be a client: a budget of failed authentications for each client and
//! each address that they come from.
//!
//! Whoever guesses at a client spends the budget of their own address, not that of its holder. It is in
//! this instance's memory, and bounded: there may be a limiter of the host's beside it
//! ([`Host::limit`](crate::Host::limit)).

use std::cell::{Cell, RefCell};

use sha2::{Digest, Sha256};

use super::ClientId;
use crate::base64url;
use crate::directory::TenantName;
use crate::time::UnixTime;

/// Failures within a window after which a claim is not looked at any more until the window is over.
const FAILURES: u32 = 10;
/// Seconds from the first failure.
const WINDOW: u64 = 60;
/// Claims that are remembered, in rows: a claim has its place in one of them.
const ROWS: usize = 1_250;
const ROW: usize = 8;

/// Who claims to be which client: tenant, client id and address, hashed, for all of them are chosen by
/// strangers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim([u8; 32]);

impl Claim {
    /// The claim to be this client that comes from this address, or from an address nobody knows.
    pub(crate) fn new(tenant: &TenantName, client_id: &ClientId, address: Option<&str>) -> Self {
        // None of them holds a NUL.
        let known = if address.is_some() { "\0" } else { "" };
        let names = [
            "edgemint claim\0",
            tenant.as_str(),
            "\0",
            client_id.as_str(),
            known,
        ];
        let mut claim = names.concat().into_bytes();
        let address = address.unwrap_or_default();
        match network(address) {
            Some(network) => claim.extend_from_slice(&network.to_be_bytes()),
            None => claim.extend_from_slice(host(address).as_bytes()),
        }
        Self(Sha256::digest(&claim).into())
    }

    /// A name for it that tells nothing of it.
    pub(crate) fn name(&self) -> String {
        base64url::encode(&self.0)
    }

    /// Eight bytes are enough to tell claims apart in memory.
    fn tag(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

/// The first 64 bits of an IPv6 address: whoever has one address of a /64 has them all (RFC 4291 section
/// 2.5.1). None of another address, nor of those that begin with zeros, which are no network's.
/// (The standard library's parser would be half of what all this adds to the wasm.)
fn network(address: &str) -> Option<u64> {
    let groups = || address.split(':');
    let mut zeros = 8_usize.checked_sub(groups().filter(|group| !group.is_empty()).count())?;
    let (mut network, mut wanted) = (0, 4);
    for group in groups() {
        if wanted == 0 {
            break;
        }
        if group.is_empty() {
            // `::` stands for all zeros that are missing, and is there once.
            let filled = zeros.min(wanted);
            wanted -= filled;
            zeros = 0;
            for _ in 0..filled {
                network <<= 16;
            }
            continue;
        }
        let mut bits = 0;
        for byte in group.bytes() {
            bits = bits << 4 | u64::from(char::from(byte).to_digit(16)?);
        }
        if bits > 0xffff {
            return None;
        }
        network = network << 16 | bits;
        wanted -= 1;
    }
    (network != 0 && wanted == 0).then_some(network)
}

/// An IPv4 address, also one that is written as an IPv6 one: RFC 4291 section 2.5.5.2.
fn host(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((_, mapped)) if mapped.contains('.') => mapped,
        _ => address,
    }
}

/// The failures of late: a table whose size is fixed, made at the first failure.
#[derive(Default)]
pub(crate) struct Budget {
    table: RefCell<Vec<Entry>>,
    /// Where nobody fails, nothing is hashed and looked up.
    last: Cell<Option<UnixTime>>,
    /// Nobody can choose claims that fall into one row, so as to push each other out.
    salt: Cell<u64>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    tag: u64,
    since: UnixTime,
    count: u32,
}

impl Entry {
    fn is_over(&self, now: UnixTime) -> bool {
        now.since(self.since) >= WINDOW
    }

    /// Seconds until the window is over.
    fn left(&self, now: UnixTime) -> u64 {
        WINDOW.saturating_sub(now.since(self.since))
    }
}

impl Budget {
    /// Whether there was no failure of anybody within a window.
    pub(crate) fn is_quiet(&self, now: UnixTime) -> bool {
        self.last.get().is_none_or(|last| now.since(last) >= WINDOW)
    }

    /// Seconds until the claim is looked at again, if its budget is spent.
    pub(crate) fn spent(&self, claim: &Claim, now: UnixTime) -> Option<u64> {
        let table = self.table.borrow();
        let (from, tag) = (self.row(claim), claim.tag());
        let row = table.get(from..from + ROW)?;
        let entry = row.iter().find(|entry| entry.tag == tag)?;
        (entry.count >= FAILURES && !entry.is_over(now)).then(|| entry.left(now))
    }

    /// Counts so many failures. Returns the seconds until the window is over.
    fn add(&self, claim: &Claim, failures: u32, now: UnixTime) -> u64 {
        self.last.set(Some(now));
        let mut table = self.table.borrow_mut();
        table.resize(ROWS * ROW, Entry::default());
        let (from, tag) = (self.row(claim), claim.tag());
        let row = table.get_mut(from..from + ROW).unwrap_or_default();
        // Its own place, or that of who is missed least: those that are over, then of fewest failures.
        let rank = |entry: &&mut Entry| match entry {
            own if own.tag == tag => 0,
            other if other.is_over(now) => 1,
            other => other.count.saturating_add(2),
        };
        let Some(entry) = row.iter_mut().min_by_key(rank) else {
            return WINDOW;
        };
        if entry.tag != tag || entry.is_over(now) {
            (entry.tag, entry.since, entry.count) = (tag, now, 0);
        }
        entry.count = entry.count.saturating_add(failures);
        entry.left(now)
    }

    /// Counts a failure. `salt` is drawn if it is the first one.
    pub(crate) fn fail(&self, claim: &Claim, now: UnixTime, salt: impl FnOnce() -> u64) {
        if self.last.get().is_none() {
            self.salt.set(salt());
        }
        self.add(claim, 1, now);
    }

    /// Spends what is left of the budget. Returns the seconds until there is another.
    pub(crate) fn spend(&self, claim: &Claim, now: UnixTime) -> u64 {
        self.add(claim, FAILURES, now)
    }

    /// Where the row of a claim begins.
    fn row(&self, claim: &Claim) -> usize {
        let salt = self.salt.get();
        let mixed = (claim.tag() ^ salt).wrapping_mul(salt | 1) >> 32;
        usize::try_from(mixed).unwrap_or(0) % ROWS * ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn claim(client_id: &str, address: Option<&str>) -> Claim {
        let tenant = TenantName::new("demo").unwrap();
        Claim::new(&tenant, &ClientId::new(client_id).unwrap(), address)
    }

    #[test]
    fn r18_an_ipv6_address_counts_by_its_first_64_bits_however_it_is_written() {
        let same = |left, right| claim("a", Some(left)) == claim("a", Some(right));
        assert!(same("2001:db8:0:1::1", "2001:0DB8:0:1:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8:0:0:1::"));
        assert!(same("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"));
        assert!(!same("2001:db8:1::3:4:5:6", "2001:db8:1:3:4:5:6::"));
        assert!(!same("::1", "::2"));
        assert!(!same("::ffff:c000:201", "::ffff:c000:202"));
        assert!(!same("192.0.2.1:80", "192.0.2.2:80"));
        assert!(!same("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:a"));
        assert!(same("somewhere", "somewhere"));
        assert!(!same("somewhere", "elsewhere"));
        assert!(claim("a", None) != claim("a", Some("192.0.2.1")));
        assert!(claim("a", None) != claim("b", None));
    }

    #[test]
    fn r18_the_budget_is_whole_again_when_the_window_is_over() {
        let budget = Budget::default();
        let guess = claim("a", Some("192.0.2.1"));
        for failed in 0..10 {
            assert_eq!(budget.spent(&guess, at(100 + failed)), None);
            budget.fail(&guess, at(100 + failed), || 7);
        }
        assert_eq!(budget.spent(&guess, at(109)), Some(51));
        assert_eq!(budget.spent(&guess, at(159)), Some(1));
        assert_eq!(budget.spent(&guess, at(160)), None);
        // A clock that goes back locks nobody out for longer.
        assert_eq!(budget.spent(&guess, at(50)), Some(60));
        budget.fail(&guess, at(160), || 7);
        assert_eq!(
            budget.spent(&guess, at(160)),
            None,
            "counted from one again"
        );
    }

    #[test]
    fn r18_what_is_spent_at_once_is_spent_for_the_rest_of_the_window() {
        let budget = Budget::default();
        let guess = claim("a", None);
        budget.fail(&guess, at(100), || 7);
        assert_eq!(budget.spend(&guess, at(130)), 30);
        assert_eq!(budget.spent(&guess, at(159)), Some(1));
        assert_eq!(budget.spent(&guess, at(160)), None);
    }

    #[test]
    fn r18_whoever_has_spent_it_is_remembered_among_any_number_of_single_failures() {
        let budget = Budget::default();
        let guess = claim("a", Some("192.0.2.1"));
        for _ in 0..10 {
            budget.fail(&guess, at(100), || 7);
        }
        for other in 0..5 * ROWS * ROW {
            let other = claim(&other.to_string(), Some("192.0.2.1"));
            budget.fail(&other, at(100), || 7);
        }
        assert_eq!(budget.spent(&guess, at(100)), Some(60));
        assert_eq!(budget.table.borrow().len(), ROWS * ROW);
    }

    #[test]
    fn r18_claims_are_spread_over_the_whole_table() {
        for salt in [0, 7, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
            let budget = Budget::default();
            for other in 0..ROWS * ROW {
                budget.fail(&claim(&other.to_string(), None), at(100), || salt);
            }
            let table = budget.table.borrow();
            let used = table.iter().filter(|entry| entry.count > 0).count();
            assert!(used > ROWS * ROW * 8 / 10, "{used} with {salt}");
        }
    }

    #[test]
    fn r18_where_nobody_fails_it_is_quiet() {
        let budget = Budget::default();
        assert!(budget.is_quiet(at(100)));
        budget.fail(&claim("a", None), at(100), || 7);
        assert!(!budget.is_quiet(at(159)));
        assert!(budget.is_quiet(at(160)));
    }
}
