//! Sessions listed and ended, one by one and all at once: requirements 26, 27, 30, 35 and 49.

use serde_json::{Value, json};

use crate::support::{App, BOTH, PutFault, READ, Tokens, World};

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

fn list(world: &World, subject: &str) -> Vec<Value> {
    let listed = world.act(json!({"listSessions": {"tenant": "demo", "subject": subject}}));
    listed["items"].as_array().unwrap().clone()
}

#[test]
fn r35_a_users_sessions_are_listed_the_newest_first() {
    let (world, app) = world_and_app();
    let spa = world.spa();
    assert_eq!(list(&world, "ada"), [] as [Value; 0]);
    let started = world.around.clock.now().secs();
    let first = world.session_for(&app, READ, "ada");
    world.around.clock.pass(100);
    world.session_for(&spa, &format!("{BOTH} api://billing/Bills.Read"), "ada");
    world.session_for(&app, READ, "bob");
    world.code(&app);
    world.around.clock.pass(50);
    world.refreshed(&app, &first);
    let mut sessions = list(&world, "ada");
    for session in &mut sessions {
        assert_eq!(session["id"].take().as_str().map(str::len), Some(22));
    }
    let day = 86_400;
    let expected = json!([
        {
            "id": null, "clientId": spa.id, "clientName": spa.id,
            "scopes": ["api://orders/Orders.Read", "api://orders/Orders.Write",
                       "api://billing/Bills.Read"],
            "createdAt": started + 100, "usedAt": started + 100,
            "expiresAt": started + 100 + 30 * day,
        },
        {
            "id": null, "clientId": app.id, "clientName": "Shop", "scopes": [READ],
            "createdAt": started, "usedAt": started + 150, "expiresAt": started + 150 + 30 * day,
        },
    ]);
    assert_eq!(
        Value::Array(sessions),
        expected,
        "a code that was not used is no session"
    );
    assert_eq!(list(&world, "bob").len(), 1);
    assert_eq!(list(&world, "carol").len(), 0);
}

#[test]
fn r35_what_is_listed_is_alive() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let other = world.session(&app);
    assert_eq!(list(&world, "ada").len(), 2);
    world.send(&app.revokes(&tokens.refresh));
    assert_eq!(list(&world, "ada").len(), 1);
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": app.id, "refresh": {"idle": 60},
    }}));
    world.around.clock.pass(60);
    assert_eq!(list(&world, "ada").len(), 0);
    world
        .send(&app.refreshes(&other.refresh))
        .is_invalid_grant();
}

#[test]
fn r35_more_sessions_than_a_page_are_listed_whole() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    world.tokens(&app.redeems(&code));
    let (key, grant) = world.grants().remove(0);
    // As many more as the user could have opened.
    for number in 0..1_500_u32 {
        let id = format!("{number:04}{}", "A".repeat(18));
        let key =
            edgemint::store::Key::new(key.partition().clone(), format!("grant/{id}")).unwrap();
        world.around.store.create(&key, &grant.to_string());
    }
    assert_eq!(list(&world, "ada").len(), 1_501);
}

#[test]
fn r35_one_session_is_ended_by_its_id() {
    let (world, app) = world_and_app();
    let first = world.session(&app);
    world.around.clock.pass(1);
    let second = world.session(&app);
    let sessions = list(&world, "ada");
    let id = sessions[1]["id"].as_str().unwrap();
    let end = |subject: &str, id: &str| {
        let act = json!({"endSession": {"tenant": "demo", "subject": subject, "id": id}});
        world.try_act(&act)
    };
    assert_eq!(end("bob", id).unwrap_err().code(), "not_found", "not his");
    assert!(world.is_active(&app, &first.access));
    assert_eq!(end("ada", id).unwrap(), json!({}));
    assert_eq!(end("ada", id).unwrap(), json!({}), "again is no error");
    world.is_dead(&app, &first);
    assert!(world.is_active(&app, &second.access));
    world.refreshed(&app, &second);
    assert_eq!(list(&world, "ada").len(), 1);
    let unknown = "A".repeat(22);
    assert_eq!(end("ada", &unknown).unwrap_err().code(), "not_found");
}

#[test]
fn r35_a_bad_subject_or_tenant_is_refused() {
    let world = World::demo();
    for subject in ["", "a\nb", &"x".repeat(257)] {
        for act in ["listSessions", "endUserSessions"] {
            let act = json!({ act: {"tenant": "demo", "subject": subject} });
            assert_eq!(world.try_act(&act).unwrap_err().code(), "invalid", "{act}");
        }
    }
    // Whoever mistypes the tenant must not believe that the sessions are ended.
    for act in ["listSessions", "endUserSessions"] {
        let act = json!({ act: {"tenant": "nobody", "subject": "ada"} });
        assert_eq!(world.try_act(&act).unwrap_err().code(), "not_found");
    }
}

/// Sessions of two users at two applications.
struct Crowd {
    world: World,
    apps: [App; 2],
    /// User, application, tokens; and a code that is not used yet.
    sessions: Vec<(&'static str, usize, Tokens, String)>,
}

fn crowd() -> Crowd {
    let world = World::demo();
    let apps = [world.web(), world.web()];
    let mut sessions = Vec::new();
    for user in ["ada", "bob"] {
        for (at, app) in apps.iter().enumerate() {
            for _ in 0..3 {
                let tokens = world.session_for(app, BOTH, user);
                let tokens = world.refreshed(app, &tokens);
                let code = world.code_for(&app.asks(BOTH), user);
                sessions.push((user, at, tokens, code));
            }
        }
    }
    Crowd {
        world,
        apps,
        sessions,
    }
}

impl Crowd {
    /// Ends something in one write, and checks that exactly this is gone and that life goes on.
    fn end(&self, act: &Value, ended: impl Fn(&str, usize) -> bool) {
        let ends = || drop(self.world.act(act.clone()));
        // The end, and the event that tells of it.
        let writes = if act.get("endUserSessions").is_some() {
            2
        } else {
            1
        };
        assert_eq!(
            self.world.writes_during(ends),
            writes,
            "{act}: however many there are"
        );
        // The same moment: nothing depends on the clock.
        for (user, at, tokens, code) in &self.sessions {
            let app = &self.apps[*at];
            if ended(user, *at) {
                self.world.is_dead(app, tokens);
                self.world.send(&app.redeems(code)).is_invalid_grant();
            } else {
                assert!(self.world.is_active(app, &tokens.access));
                self.world.refreshed(app, tokens);
                self.world.tokens(&app.redeems(code));
            }
        }
        for app in &self.apps {
            let tokens = self.world.session(app);
            let tokens = self.world.refreshed(app, &tokens);
            assert!(
                self.world.is_active(app, &tokens.access),
                "a new session works"
            );
        }
        // Each that was left gave one more by its code, and there are the two new ones.
        let sessions = self.sessions.iter();
        let kept = sessions.filter(|(user, at, ..)| *user == "ada" && !ended(user, *at));
        assert_eq!(list(&self.world, "ada").len(), 2 * kept.count() + 2);
    }
}

#[test]
fn r35_everything_of_a_user_is_ended_by_one_write() {
    let crowd = crowd();
    let act = json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}});
    crowd.end(&act, |user, _| user == "ada");
}

#[test]
fn r35_everything_of_an_application_is_ended_by_one_write() {
    let crowd = crowd();
    let client_id = &crowd.apps[0].id;
    let act = json!({"endApplicationSessions": {"tenant": "demo", "clientId": client_id}});
    crowd.end(&act, |_, at| at == 0);
}

#[test]
fn r35_everything_of_a_tenant_is_ended_by_one_write() {
    let crowd = crowd();
    crowd.end(&json!({"endTenantSessions": {"tenant": "demo"}}), |_, _| {
        true
    });
}

#[test]
fn r35_everything_can_be_ended_again_and_again() {
    let (world, app) = world_and_app();
    for _ in 0..3 {
        for act in [
            json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}}),
            json!({"endApplicationSessions": {"tenant": "demo", "clientId": app.id}}),
            json!({"endTenantSessions": {"tenant": "demo"}}),
        ] {
            let tokens = world.session(&app);
            world.act(act);
            world.is_dead(&app, &tokens);
        }
    }
}

#[test]
fn r35_ending_everything_of_whom_nobody_knows_is_no_error() {
    let (world, app) = world_and_app();
    world.act(json!({"endUserSessions": {"tenant": "demo", "subject": "carol"}}));
    let tokens = world.session_for(&app, BOTH, "carol");
    world.refreshed(&app, &tokens);
    for act in [
        json!({"endApplicationSessions": {"tenant": "demo", "clientId": "nobody"}}),
        json!({"endTenantSessions": {"tenant": "nobody"}}),
    ] {
        assert_eq!(world.try_act(&act).unwrap_err().code(), "not_found");
    }
}

#[test]
fn r27_a_users_sessions_end_in_every_location_at_once() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let elsewhere = world.elsewhere();
    assert!(elsewhere.is_active(&app, &tokens.access));
    world.act(json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}}));
    elsewhere.is_dead(&app, &tokens);
}

#[test]
fn r27_a_location_that_has_not_heard_of_it_lets_nothing_live_on_for_longer_than_its_cache() {
    let (world, app) = world_and_app();
    for act in [
        json!({"endApplicationSessions": {"tenant": "demo", "clientId": app.id}}),
        json!({"endTenantSessions": {"tenant": "demo"}}),
    ] {
        let behind = world.elsewhere();
        let tokens = behind.session(&app);
        world.act(act);
        world.is_dead(&app, &tokens);
        // What the location that is behind still gives out is dead everywhere else,
        let late = behind.refreshed(&app, &tokens);
        world.is_dead(&app, &late);
        // and so is what starts there: it is born in the epoch that has ended.
        let born_behind = behind.session(&app);
        world.is_dead(&app, &born_behind);
        // A session of the new epoch is good there, too.
        let new = world.session(&app);
        let new = behind.refreshed(&app, &new);
        assert!(behind.is_active(&app, &new.access));
        world.around.clock.pass(crate::support::TTL);
        behind.is_dead(&app, &late);
        behind.is_dead(&app, &born_behind);
        behind.refreshed(&app, &new);
    }
}

#[test]
fn r26_a_sign_in_that_races_the_end_of_a_users_sessions_fails_closed() {
    let (world, app) = world_and_app();
    // The code is out, and not used yet.
    let code = world.code(&app);
    world.act(json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}}));
    world.send(&app.redeems(&code)).is_invalid_grant();
    // The handle is a request only: the user signs in after it.
    let handle = world.handle(&app.asks(BOTH));
    world.act(json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}}));
    let back = world.complete(&handle, json!({"subject": "ada"}));
    world.tokens(&app.redeems(back.get("code")));
}

#[test]
fn r28_ending_sessions_can_be_repeated_after_a_fault() {
    let (world, app) = world_and_app();
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        for (act, members) in [
            (
                "endUserSessions",
                json!({"tenant": "demo", "subject": "ada"}),
            ),
            (
                "endApplicationSessions",
                json!({"tenant": "demo", "clientId": app.id}),
            ),
            ("endTenantSessions", json!({"tenant": "demo"})),
        ] {
            let act = json!({ act: members });
            let tokens = world.session(&app);
            world.around.store.fail_put(0, fault);
            assert_eq!(world.try_act(&act).unwrap_err().code(), "store_unavailable");
            world.act(act);
            world.is_dead(&app, &tokens);
            // Neither is anything of the new epoch.
            let tokens = world.session(&app);
            world.refreshed(&app, &tokens);
        }
        let tokens = world.session(&app);
        let id = list(&world, "ada")[0]["id"].clone();
        let act = json!({"endSession": {"tenant": "demo", "subject": "ada", "id": id}});
        world.around.store.fail_put(0, fault);
        assert_eq!(world.try_act(&act).unwrap_err().code(), "store_unavailable");
        world.act(act);
        assert!(
            !list(&world, "ada")
                .iter()
                .any(|session| session["id"] == id)
        );
        drop(tokens);
    }
}

#[test]
fn r26_ending_a_users_sessions_survives_a_rival() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.around.store.let_a_rival_write_first();
    world.act(json!({"endUserSessions": {"tenant": "demo", "subject": "ada"}}));
    world.is_dead(&app, &tokens);
}

#[test]
fn r30_a_user_is_named_in_no_key_and_in_no_token() {
    let (world, app) = world_and_app();
    let tokens = world.session_for(&app, BOTH, "ada@example.com");
    for (key, _) in world.grants() {
        assert!(!key.to_string().contains("ada"), "{key}");
    }
    assert!(!tokens.refresh.contains("ada"));
}

#[test]
fn r35_users_of_one_name_in_two_tenants_are_two() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    world.act(json!({"endUserSessions": {"tenant": "other", "subject": "ada"}}));
    let listed = world.act(json!({"listSessions": {"tenant": "other", "subject": "ada"}}));
    assert_eq!(listed, json!({"items": []}));
    world.refreshed(&app, &tokens);
}
