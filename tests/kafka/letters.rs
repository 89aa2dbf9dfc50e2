//! Dead letters sent through again, and the forms they can have.

use crate::scene::{Plain, Scene};
use perf::broker::Broker;
use perf::child::Spawn;
use perf::events::{Shape, number_in};

const COUNT: u32 = 400;

fn refused(name: &str, how: fn(Spawn) -> Spawn) -> Option<Scene> {
    let broker = Broker::shared()?;
    let scene = Scene::new(broker.bootstrap(), name);
    scene.fill_as(|fill| perf::fill::Fill {
        count: COUNT,
        headers: 2,
        shape: Shape { refused: 1.0, ..Shape::default() },
        ..fill
    });
    scene.run_to_the_end_as(how);
    Some(scene)
}

#[test]
fn a_second_failure_replaces_the_headers() {
    let Some(scene) = refused("replay", |spawn| spawn) else { return };
    scene.assert_clean();
    let again = scene.replay("replayed");
    again.run_to_the_end();
    // The ledger objects to a header that stands there twice, and to one that names the first input.
    let account = again.assert_clean();
    assert_eq!(account.dlq, u64::from(COUNT), "{account}");
    let (first, second) = (scene.read(&scene.dlq), again.read(&again.dlq));
    assert_eq!(first[0].headers.len(), second[0].headers.len());
    assert_eq!(second[0].header("dlq.group"), Some(again.group.as_str()));
    assert_eq!(second[0].header("dlq.attempts"), Some("1"));
    assert!(second[0].header("header-0").is_some(), "its own are kept");
}

#[test]
fn an_event_that_was_put_right_goes_out_without_them() {
    let Some(scene) = refused("fix", |spawn| spawn) else { return };
    let fixed = Scene::new(&scene.bootstrap, "fixed");
    // Its name only begins like ours.
    let own = ("dlq.retries".to_owned(), b"1".to_vec());
    let good = |letter: &Plain| {
        let number = number_in(letter.value.as_ref().unwrap()).unwrap();
        let mut good = Plain { value: crate::event(number).value, ..letter.clone() };
        good.headers.push(own.clone());
        good
    };
    let records: Vec<_> = scene.read(&scene.dlq).iter().map(good).collect();
    fixed.put(&fixed.input, &records);
    fixed.run_to_the_end();
    let account = fixed.assert_clean();
    assert_eq!((account.output, account.dlq), (COUNT.into(), 0), "{account}");
    for record in fixed.read(&fixed.output) {
        let names: Vec<_> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["event", "header-0", "dlq.retries"]);
    }
}

#[test]
fn the_envelope_holds_the_event_and_its_headers() {
    let Some(scene) = refused("envelope", |spawn| spawn.env("GRISTMILL_DLQ_FORMAT", "envelope")) else {
        return;
    };
    let account = scene.account_as(|ledger| ledger.envelope = true);
    assert!(account.is_clean() && account.dlq == u64::from(COUNT), "{account}");
    for letter in scene.read(&scene.dlq) {
        let envelope: serde_json::Value = serde_json::from_slice(letter.value.as_ref().unwrap()).unwrap();
        let metadata = &envelope["error"]["metadata"];
        assert_eq!(metadata["topic"], scene.input.as_str());
        assert_eq!(metadata["partition"].to_string(), letter.header("dlq.partition").unwrap());
        assert_eq!(metadata["offset"].to_string(), letter.header("dlq.offset").unwrap());
        assert_eq!(envelope["error"]["reason"], letter.header("dlq.reason").unwrap());
    }
}

#[test]
fn connect_names_are_replaced_and_stripped_as_ours_are() {
    let connect: fn(Spawn) -> Spawn = |spawn| spawn.env("GRISTMILL_DLQ_HEADERS", "connect");
    let Some(scene) = refused("connect", connect) else { return };
    let check = |scene: &Scene| {
        let letters = scene.read(&scene.dlq);
        assert_eq!(letters.len(), COUNT as usize);
        for letter in &letters {
            assert_eq!(letter.header("__connect.errors.topic"), Some(scene.input.as_str()));
            for name in ["__connect.errors.partition", "__connect.errors.offset", "dlq.version", "dlq.group"]
            {
                assert!(letter.header(name).is_some(), "{name}: {:?}", letter.headers);
            }
            assert_eq!((letter.header("dlq.topic"), letter.header("dlq.offset")), (None, None));
            assert!(letter.header("__connect.errors.exception.class.name").is_some());
        }
        letters
    };
    let letters = check(&scene);
    let again = scene.replay("connected");
    again.run_to_the_end_as(connect);
    let twice = check(&again);
    assert_eq!(letters[0].headers.len(), twice[0].headers.len());

    let fixed = Scene::new(&scene.bootstrap, "connect-fixed");
    let good = Plain { value: crate::event(1).value, ..letters[0].clone() };
    fixed.put(&fixed.input, &[good]);
    fixed.run_to_the_end_as(connect);
    let output = fixed.read(&fixed.output);
    let names: Vec<_> = output[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["event", "header-0"]);
}
