//! The storm: many clients of many grants, answers that get lost, retries, thieves, revocations and a
//! store that fails, in simulated time. What happened is recorded and checked: requirements 21 to 24, 26,
//! 28 and 35.
//!
//! `EDGEMINT_SEED=<seed> cargo test -p edgemint --test native storm` runs one seed only.

mod checker;
mod simulation;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use edgemint::administration::{AdministrationError, Command};
use edgemint::error::Reason;
use edgemint::store::MemoryStore;
use edgemint::{Issuer, UnixTime};
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::support::session::{ADMIN, Handle, READ, Template, about, redeem, refresh, sign_in};
use crate::support::{Answer, Call, Client, config, masters};
use checker::{Act, Answered, Case, Policy, Record, Tally, check};
use simulation::{Data, Faults, Location, Random, Remote, Simulation, Slot, Way};

/// Milliseconds from a client to the server at most, and likewise back.
const NETWORK: u64 = 40;
/// Seconds that a location keeps records of the directory: reading them is not what is tested.
const CACHE: u64 = 3_600;
/// Milliseconds that a client waits for an answer.
const PATIENCE: u64 = 2_000;

const POLICIES: [Policy; 3] = [
    Policy {
        grace: 10,
        idle: 86_400,
        absolute: 86_400,
    },
    Policy {
        grace: 0,
        idle: 86_400,
        absolute: 86_400,
    },
    Policy {
        grace: 10,
        idle: 60,
        absolute: 200,
    },
];

fn template() -> Template {
    let policy = |policy: &Policy| {
        let Policy {
            grace,
            idle,
            absolute,
        } = policy;
        json!({"grace": grace, "idle": idle, "absolute": absolute})
    };
    Template::new(&POLICIES.iter().map(policy).collect::<Vec<Value>>())
}

/// Everything of one run.
struct Storm {
    simulation: Rc<Simulation>,
    template: Rc<Template>,
    data: Rc<Data>,
    /// Locations that clients reach, by way of a store that fails.
    locations: Vec<Issuer<Location>>,
    /// One that answers at once and never fails: to sign in, and to look at the end.
    quiet: Issuer<Location>,
    /// What comes of a request may get lost on its way back, so many times in a thousand.
    losses: u64,
    records: RefCell<Vec<Record>>,
    families: RefCell<Vec<Rc<Family>>>,
}

/// The clients that share one session: the tabs of a browser.
struct Family {
    number: usize,
    policy: usize,
    place: Handle,
    /// Every refresh token that was ever answered, by generation; the last is what the tabs share.
    tokens: RefCell<BTreeMap<u32, String>>,
    /// When a token of this generation was first sent.
    first_sent: RefCell<BTreeMap<u32, u64>>,
    /// Nobody else has used a token of it, or ended it.
    undisturbed: Cell<bool>,
    /// Its clients did what a client should.
    follows: Cell<bool>,
    refused: Cell<bool>,
}

impl Family {
    fn newest(&self) -> Option<(u32, String)> {
        let tokens = self.tokens.borrow();
        let (generation, token) = tokens.last_key_value()?;
        Some((*generation, token.clone()))
    }

    fn policy(&self) -> Policy {
        POLICIES[self.policy]
    }

    /// Milliseconds after the first use of a token within which it may be sent again.
    fn window(&self) -> u64 {
        (self.policy().grace * 1_000).saturating_sub(1_000)
    }
}

impl Storm {
    fn new(seed: u64, template: &Rc<Template>, way: Way, faults: Option<Faults>) -> Rc<Self> {
        let simulation = Simulation::new(seed);
        let clock = simulation.around.clock.clone();
        let data = Rc::new(Data {
            memory: MemoryStore::new(move || clock.now()),
            writes: RefCell::default(),
        });
        template.fill(&data.memory);
        let location = |faults| {
            let remote = Remote {
                simulation: Rc::clone(&simulation),
                data: Rc::clone(&data),
                way,
                faults,
            };
            let config = config().cache_ttl(CACHE).unwrap();
            Issuer::new(Location(remote), config, masters(1, None)).unwrap()
        };
        let none = Faults {
            before: 0,
            after: 0,
            slow: 20,
        };
        let noisy = || location(Some(faults.unwrap_or(none)));
        Rc::new(Self {
            template: Rc::clone(template),
            locations: vec![noisy(), noisy()],
            quiet: location(None),
            losses: if faults.is_some() { 60 } else { 0 },
            records: RefCell::default(),
            families: RefCell::default(),
            data,
            simulation,
        })
    }

    fn random(&self) -> &Random {
        &self.simulation.random
    }

    fn client(&self, family: &Family) -> &Client {
        &self.template.clients[family.policy]
    }

    /// A user signs in: a grant whose code nobody has used yet.
    fn open(&self, policy: usize) -> (Rc<Family>, String) {
        let number = self.families.borrow().len();
        let subject = format!("user-{number}");
        let client = &self.template.clients[policy];
        let now = self.simulation.now();
        let code = block_on(sign_in(&self.quiet, client, &subject, now));
        let family = Rc::new(Family {
            number,
            policy,
            place: Handle::read(&code),
            tokens: RefCell::default(),
            first_sent: RefCell::default(),
            undisturbed: Cell::new(true),
            follows: Cell::new(true),
            refused: Cell::new(false),
        });
        self.families.borrow_mut().push(Rc::clone(&family));
        (family, code)
    }

    /// Serves a request, and records what came of it.
    async fn serve(&self, family: &Family, act: Act, call: Option<Call>) -> Answered {
        let random = self.random();
        self.simulation.sleep(random.range(1, NETWORK)).await;
        let location = &self.locations[usize::from(random.chance(500))];
        let (began, now) = (self.simulation.tick(), self.simulation.now());
        let answer = match call {
            Some(call) => {
                let response = location.handle(&call.request(), now).await;
                self.heard(family, &Answer(response))
            }
            None => self.end(location, family, act, now).await,
        };
        self.records.borrow_mut().push(Record {
            grant: family.number,
            act,
            now: now.secs(),
            began,
            ended: self.simulation.tick(),
            end_time: self.simulation.now().secs(),
            answer,
        });
        answer
    }

    /// Ends a session, or all of a user, as an administrator.
    async fn end(
        &self,
        location: &Issuer<Location>,
        family: &Family,
        act: Act,
        now: UnixTime,
    ) -> Answered {
        let subject = format!("user-{}", family.number);
        let act = if act == Act::EndUser {
            json!({"endUserSessions": {"tenant": "demo", "subject": subject}})
        } else {
            let id = &family.place.id;
            json!({"endSession": {"tenant": "demo", "subject": subject, "id": id}})
        };
        let act = Command::parse(&act.to_string()).unwrap();
        match location.administer(act, now).await {
            Ok(_) => Answered::Done,
            Err(AdministrationError::NotFound(_)) => Answered::NotFound,
            Err(AdministrationError::Failed(Reason::Storage(_))) => Answered::Unavailable,
            Err(other) => panic!("no documented failure: {other}"),
        }
    }

    /// Reads an answer, which must be one of those that are documented.
    fn heard(&self, family: &Family, answer: &Answer) -> Answered {
        match answer.status() {
            200 if answer.0.body.is_empty() => Answered::Done,
            200 => {
                let body = answer.accepted();
                let token = body["refresh_token"].as_str().unwrap();
                let Handle { generation, .. } = Handle::read(token);
                let mut tokens = family.tokens.borrow_mut();
                let known = tokens.entry(generation).or_insert_with(|| token.to_owned());
                assert_eq!(known, token, "two successors of one token");
                Answered::Tokens { generation }
            }
            503 => {
                answer.refused(503, "temporarily_unavailable");
                assert!(answer.header("retry-after").is_some());
                Answered::Unavailable
            }
            _ if answer.mentions("invalid_scope") => {
                answer.refused(400, "invalid_scope");
                Answered::InvalidScope
            }
            _ => {
                answer.refused(400, "invalid_grant");
                Answered::InvalidGrant
            }
        }
    }

    /// Sends a request. The client that waits does not always hear of the answer.
    async fn send(
        self: &Rc<Self>,
        family: &Rc<Family>,
        act: Act,
        call: Option<Call>,
    ) -> Option<Answered> {
        let slot = Slot::new();
        let (storm, family, answer) = (Rc::clone(self), Rc::clone(family), Rc::clone(&slot));
        self.simulation.spawn(async move {
            let answered = storm.serve(&family, act, call).await;
            storm
                .simulation
                .sleep(storm.random().range(1, NETWORK))
                .await;
            if !storm.random().chance(storm.losses) {
                answer.fill(&storm.simulation, answered);
            }
        });
        slot.wait(&self.simulation, PATIENCE).await
    }

    async fn use_token(
        self: &Rc<Self>,
        family: &Rc<Family>,
        generation: u32,
        too_much: bool,
    ) -> Option<Answered> {
        let token = family.tokens.borrow()[&generation].clone();
        let call = refresh(self.client(family), &token);
        let call = if too_much {
            call.with("scope", &format!("{READ} {ADMIN}"))
        } else {
            call
        };
        let act = Act::Refresh {
            generation,
            too_much,
        };
        self.send(family, act, Some(call)).await
    }

    /// A family's life: the code, then every now and then all of its tabs want a new access token.
    async fn live(self: Rc<Self>, family: Rc<Family>, code: String, tabs: u64, cycles: u64) {
        for attempt in 0..3 {
            let call = redeem(self.client(&family), &code);
            match self.send(&family, Act::Redeem, Some(call)).await {
                Some(Answered::Tokens { .. }) => break,
                lost => {
                    // The first one may still be under way, and would come second then.
                    let unknown = lost.is_none();
                    family.follows.set(family.follows.get() && !unknown);
                    assert!(
                        attempt > 0 || lost != Some(Answered::InvalidGrant),
                        "a new code"
                    );
                    self.simulation.sleep(self.random().range(100, 900)).await;
                }
            }
        }
        if family.tokens.borrow().is_empty() {
            // The code is spent and nobody heard of the tokens: the user signs in again.
            family.follows.set(false);
            return;
        }
        if tabs > 1 && family.policy().grace == 0 {
            family.follows.set(false);
        }
        for _ in 0..cycles {
            // Longer than a request can be under way: a client that refreshes a token again before all
            // others have heard of it makes them replay the one before.
            self.simulation
                .sleep(self.random().range(45_000, 70_000))
                .await;
            let Some((generation, _)) = family.newest() else {
                return;
            };
            for _ in 0..tabs {
                let tab = Rc::clone(&self).tab(Rc::clone(&family), generation);
                self.simulation.spawn(tab);
            }
            if family.refused.get() && self.random().chance(600) {
                return;
            }
        }
    }

    /// One tab wants a new access token.
    async fn tab(self: Rc<Self>, family: Rc<Family>, generation: u32) {
        let random = self.random();
        self.simulation.sleep(random.range(0, 3_000)).await;
        if random.chance(30) {
            self.use_token(&family, generation, true).await;
        }
        loop {
            let now = self.simulation.millis();
            let first = *family
                .first_sent
                .borrow_mut()
                .entry(generation)
                .or_insert(now);
            let in_window = now == first || now + NETWORK <= first + family.window();
            if !in_window {
                if family
                    .newest()
                    .is_some_and(|(newest, _)| newest > generation)
                {
                    return;
                }
                // Nobody heard in time whether the token is spent.
                family.follows.set(false);
                if random.chance(500) {
                    return;
                }
            }
            match self.use_token(&family, generation, false).await {
                Some(Answered::Tokens { .. }) => return,
                Some(Answered::Unavailable) | None => {
                    self.simulation.sleep(random.range(50, 800)).await;
                }
                Some(_) => {
                    family.refused.set(true);
                    return;
                }
            }
            let heard = family
                .newest()
                .is_some_and(|(newest, _)| newest > generation);
            if heard && random.chance(700) {
                return;
            }
        }
    }

    /// Somebody has a token that is not theirs, and uses it near the end of its grace or later.
    async fn steal(self: Rc<Self>, family: Rc<Family>, after: u64) {
        let random = self.random();
        self.simulation.sleep(after).await;
        let Some((newest, _)) = family.newest() else {
            return;
        };
        let back = u32::try_from(random.range(0, 3)).unwrap();
        // The one before the newest most of all.
        let generation = newest.saturating_sub(if random.chance(500) { 1 } else { back });
        if random.chance(700) {
            let rotated = family
                .first_sent
                .borrow()
                .get(&(newest.wrapping_sub(1)))
                .copied();
            let end = rotated.unwrap_or_default() + family.policy().grace * 1_000;
            let moment = end + random.range(0, 5_000);
            let wait = moment.saturating_sub(2_500 + self.simulation.millis());
            self.simulation.sleep(wait).await;
        }
        family.undisturbed.set(false);
        for _ in 0..=random.range(0, 2) {
            self.use_token(&family, generation, false).await;
        }
    }

    /// The user signs out, or an administrator ends it.
    async fn stop(self: Rc<Self>, family: Rc<Family>, after: u64) {
        self.simulation.sleep(after).await;
        let random = self.random();
        let act = match random.range(0, 2) {
            0 => Act::Revoke,
            1 => Act::EndSession,
            _ => Act::EndUser,
        };
        let token = {
            let tokens = family.tokens.borrow();
            let at = random.range(0, 100) % u64::try_from(tokens.len().max(1)).unwrap();
            tokens.values().nth(usize::try_from(at).unwrap()).cloned()
        };
        let Some(token) = token else { return };
        family.undisturbed.set(false);
        for _ in 0..3 {
            let call = (act == Act::Revoke).then(|| about("revoke", self.client(&family), &token));
            if self.send(&family, act, call).await == Some(Answered::Done) {
                return;
            }
        }
    }

    /// Opens a grant and lets its clients, and others, loose on it.
    fn unleash(self: &Rc<Self>, policy: usize, tabs: u64, cycles: u64) {
        let (family, code) = self.open(policy);
        let random = self.random();
        let span = 60_000 * cycles;
        if random.chance(350) {
            let after = random.range(0, span);
            self.simulation
                .spawn(Rc::clone(self).steal(Rc::clone(&family), after));
        }
        if random.chance(200) {
            // Often in the middle of a refresh.
            let after = random.range(0, span);
            self.simulation
                .spawn(Rc::clone(self).stop(Rc::clone(&family), after));
        }
        self.simulation
            .spawn(Rc::clone(self).live(family, code, tabs, cycles));
    }

    /// Lets the storm pass, and checks what is left of it.
    fn finish(self: &Rc<Self>) -> Tally {
        self.simulation.run();
        let mut tally = Tally::default();
        let records = self.records.borrow();
        let mut by_grant: BTreeMap<usize, Vec<&Record>> = BTreeMap::new();
        for record in records.iter() {
            by_grant.entry(record.grant).or_default().push(record);
        }
        let mut writes_by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for write in self.data.writes.borrow().iter() {
            let partition = write.key.partition().as_str().to_owned();
            writes_by_key
                .entry(partition)
                .or_default()
                .push(write.clone());
        }
        for family in self.families.borrow().iter() {
            let case = Case {
                key: family.place.grant.clone(),
                user: family.place.user.clone(),
                policy: family.policy(),
                must_survive: family.follows.get() && family.undisturbed.get(),
            };
            let writes = &writes_by_key[family.place.grant.partition().as_str()];
            let records = by_grant.remove(&family.number).unwrap_or_default();
            check(&case, &records, writes, &mut tally);
            self.look(family, &case);
        }
        tally
    }

    /// Looks at what is valid in the end: the newest token at most.
    fn look(&self, family: &Family, case: &Case) {
        let client = self.client(family);
        let now = self.simulation.now();
        let ask = |call: &Call| Answer(block_on(self.quiet.handle(&call.request(), now)));
        let tokens = family.tokens.borrow();
        let active = |(_, token): &(&u32, &String)| {
            ask(&about("introspect", client, token)).accepted()["active"] == true
        };
        let active: Vec<u32> = tokens
            .iter()
            .filter(active)
            .map(|(given, _)| *given)
            .collect();
        assert!(active.len() <= 2, "{active:?} are valid at once");
        if let [.., before, newest] = active[..] {
            // Two are valid only within grace, and lead to the same successor.
            assert_eq!(before + 1, newest);
        }
        let lasting = case.policy.idle >= 86_400;
        if let Some((_, newest)) = tokens
            .last_key_value()
            .filter(|_| case.must_survive && lasting)
        {
            let answer = ask(&refresh(client, newest));
            assert_eq!(
                answer.status(),
                200,
                "an honest client lost its session: {answer:?}"
            );
        }
    }
}

/// Runs what depends on a seed for each of so many, or for the one that the environment names.
fn with_seeds(first: u64, count: u64, run: impl Fn(u64) -> Tally) -> Tally {
    let only = std::env::var("EDGEMINT_SEED").ok();
    let only = only.map(|seed| seed.parse::<u64>().expect("EDGEMINT_SEED is a number"));
    let seeds = only.map_or(first..first + count, |seed| seed..seed + 1);
    let mut all = Tally::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| run(seed))) {
            Ok(tally) => all.add(tally),
            Err(panic) => {
                eprintln!("the seed of this failure: EDGEMINT_SEED={seed}");
                resume_unwind(panic);
            }
        }
    }
    all
}

/// A storm must have everything in it, or it shows nothing. A single seed need not.
fn assert_not_idle(tally: Tally) {
    if std::env::var("EDGEMINT_SEED").is_ok() {
        eprintln!("{tally:?}");
        return;
    }
    let Tally {
        grants,
        requests: _,
        rotations,
        repeated,
        replays,
        refused,
        unavailable,
        too_much,
        revoked,
        applied_but_failed,
        survivors,
    } = tally;
    eprintln!("{tally:?}");
    assert!(survivors * 6 > grants, "{tally:?}");
    assert!(rotations > grants, "{tally:?}");
    let seen = [
        repeated,
        replays,
        refused,
        unavailable,
        revoked,
        applied_but_failed,
    ];
    assert!(seen.iter().all(|count| count * 40 > grants), "{tally:?}");
    assert!(too_much > 0, "{tally:?}");
}

fn small_storm(seed: u64, template: &Rc<Template>, way: Way) -> Tally {
    let faults = Faults {
        before: 25,
        after: 25,
        slow: 25,
    };
    let storm = Storm::new(seed, template, way, Some(faults));
    let random = storm.random();
    for _ in 0..random.range(1, 2) {
        let policy = usize::try_from(random.range(0, 2)).unwrap();
        let tabs = match random.range(0, 9) {
            0 => 16,
            1..4 => random.range(2, 5),
            _ => random.range(1, 2),
        };
        storm.unleash(policy, tabs, random.range(1, 4));
    }
    storm.finish()
}

fn many_small_storms(first: u64, way: Way) {
    let template = Rc::new(template());
    let tally = with_seeds(first, 1_500, |seed| small_storm(seed, &template, way));
    assert_not_idle(tally);
}

#[test]
fn r21_to_r28_small_storms_over_compare_and_set() {
    many_small_storms(0, Way::CompareAndSet);
}

#[test]
fn r21_to_r28_small_storms_stepped_at_the_data() {
    many_small_storms(1_000_000, Way::AtTheData);
}

#[test]
fn r21_to_r28_a_thousand_grants_in_one_storm() {
    let template = Rc::new(template());
    let run = |seed| {
        let faults = Faults {
            before: 20,
            after: 20,
            slow: 20,
        };
        let storm = Storm::new(seed, &template, Way::CompareAndSet, Some(faults));
        for number in 0..1_000 {
            let policy = number % POLICIES.len();
            storm.unleash(policy, storm.random().range(1, 16), 2);
        }
        storm.finish()
    };
    assert_not_idle(with_seeds(7, 1, run));
}

/// Nothing fails here, so that every answer is known.
#[test]
fn r22_of_parallel_refreshes_one_succeeds_without_grace_and_all_with_it() {
    let template = Rc::new(template());
    with_seeds(0, 200, |seed| {
        let way = if seed % 2 == 0 {
            Way::CompareAndSet
        } else {
            Way::AtTheData
        };
        let storm = Storm::new(seed, &template, way, None);
        let parallel = storm.random().range(2, 16);
        let opened = [0, 1].map(|policy| storm.open(policy));
        for (family, code) in &opened {
            family.follows.set(family.policy().grace > 0);
            let (storm, family, code) = (Rc::clone(&storm), Rc::clone(family), code.clone());
            let simulation = Rc::clone(&storm.simulation);
            simulation.spawn(async move {
                let call = redeem(storm.client(&family), &code);
                storm.serve(&family, Act::Redeem, Some(call)).await;
                for _ in 0..parallel {
                    let (storm, family) = (Rc::clone(&storm), Rc::clone(&family));
                    let simulation = Rc::clone(&storm.simulation);
                    simulation.spawn(async move {
                        storm.use_token(&family, 0, false).await;
                    });
                }
            });
        }
        let tally = storm.finish();
        let records = storm.records.borrow();
        for (family, _) in &opened {
            let refreshes = records
                .iter()
                .filter(|record| record.grant == family.number && record.act != Act::Redeem);
            let tokens = Answered::Tokens { generation: 1 };
            let (won, lost): (Vec<_>, Vec<_>) = refreshes.partition(|r| r.answer == tokens);
            if family.policy().grace == 0 {
                assert_eq!(won.len(), 1, "{lost:?}");
                // Each of the others is a replay of a spent token, as documented: the grant is gone.
                assert!(
                    lost.iter().all(|r| r.answer == Answered::InvalidGrant),
                    "{lost:?}"
                );
            } else {
                assert!(lost.is_empty(), "{lost:?}");
            }
        }
        assert_eq!(tally.replays, 1);
        tally
    });
}
