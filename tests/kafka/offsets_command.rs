//! `gristmill offsets` on a real broker: what it shows, what it moves, and what it leaves alone.

use crate::mill::Mill;
use crate::scene::{GRISTMILL, Plain, Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::child::{Child, Spawn};
use serde_json::Value;

/// Ten events in each of two partitions, at 1,000 ms, 2,000 ms and so on since 1970.
fn scene(name: &str) -> Option<Scene> {
    let broker = Broker::shared()?;
    // Records so old are not deleted for their age meanwhile.
    let kept = Topic(2, &[("retention.ms", "-1")]);
    let scene = Scene::with(broker.bootstrap(), name, kept, Topic(2, &[]), Topic(2, &[]));
    let records: Vec<Plain> = (0..20)
        .map(|number: u32| Plain {
            partition: (number % 2) as i32,
            timestamp_ms: i64::from(number / 2 + 1) * 1_000,
            ..crate::event(number)
        })
        .collect();
    scene.put(&scene.input, &records);
    Some(scene)
}

/// A command that ends by itself.
struct Ended(Child);

impl Ended {
    fn run(spawn: Spawn) -> Ended {
        let child = spawn.start().unwrap();
        child.wait(WITHIN).expect("it ends");
        Ended(child)
    }

    fn code(&self) -> Option<i32> {
        self.0.wait(WITHIN).expect("it ended").code
    }

    fn objects(&self) -> Vec<Value> {
        self.0.stdout().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn audits(&self) -> Vec<String> {
        self.0.stderr().into_iter().filter(|line| line.contains(" INFO audit ")).collect()
    }
}

fn offsets(scene: &Scene, arguments: &[&str]) -> Ended {
    Ended::run(scene.command(GRISTMILL, &[&["offsets"][..], arguments].concat()))
}

fn committed(scene: &Scene) -> Vec<Option<i64>> {
    scene.topics.group_offsets(&scene.group, &scene.input).unwrap()
}

#[test]
fn show_tells_where_the_group_stands() {
    let Some(scene) = scene("show") else { return };
    let (group, input) = (&scene.group, &scene.input);
    let text = offsets(&scene, &["show"]);
    assert_eq!(text.code(), Some(0));
    let expected = [
        format!("group {group}: no members"),
        format!("topic {input}:"),
        "partition  committed  first  end  lag".to_owned(),
        "        0          -      0   10    -".to_owned(),
        "        1          -      0   10    -".to_owned(),
        "lag 0 in all; 2 partitions without a committed offset, where KAFKA_AUTO_OFFSET_RESET decides"
            .to_owned(),
    ];
    assert_eq!(text.0.stdout(), expected);
    scene.topics.commit(group, input, &[4, 10]).unwrap();
    let mill = Mill::start_assigned(scene.run().env("GRISTMILL_RATE_LIMIT", "1"));
    let lines = offsets(&scene, &["show", "--format", "json"]).objects();
    assert_eq!((&lines[0]["group"], &lines[0]["members"]), (&group.as_str().into(), &1.into()), "{lines:?}");
    assert_eq!(
        (&lines[1]["partition"], &lines[1]["committed"], &lines[1]["lag"]),
        (&1.into(), &10.into(), &0.into())
    );
    mill.stop();
    assert!(text.audits().is_empty(), "looking changes nothing");
}

#[test]
fn reset_moves_the_group_and_the_next_run_reads_from_there() {
    let Some(scene) = scene("reset") else { return };
    scene.run_to_the_end();
    let dry =
        offsets(&scene, &["reset", "--to-time", "1970-01-01T00:00:07.500Z", "--dry-run", "--format", "json"]);
    assert_eq!(dry.code(), Some(0), "{:?}", dry.0.stderr());
    let lines = dry.objects();
    assert_eq!(
        (&lines[1]["from"], &lines[1]["to"], &lines[1]["dry_run"]),
        (&10.into(), &7.into(), &true.into())
    );
    assert_eq!(committed(&scene), [Some(10), Some(10)], "a dry run changes nothing");
    assert!(dry.audits().is_empty());

    let done = offsets(&scene, &["reset", "--to-time", "1970-01-01T00:00:07.500Z"]);
    assert_eq!(done.code(), Some(0), "{:?}", done.0.stderr());
    assert_eq!(done.0.stdout()[0], format!("{}[0]: 10 -> 7: 3 offsets read again", scene.input));
    assert_eq!(committed(&scene), [Some(7), Some(7)]);
    let audits = done.audits();
    assert_eq!(audits.len(), 1, "{audits:?}");
    for part in ["action=\"offsets reset\"", "outcome=\"done\"", &scene.group, "[1]: 10 -> 7", "uid="] {
        assert!(audits[0].contains(part), "{part} is not in: {}", audits[0]);
    }
    assert_eq!(scene.run_to_the_end().accounting().consumed, 6);

    offsets(&scene, &["reset", "--to-earliest", "--partition", "1"]);
    assert_eq!(committed(&scene), [Some(10), Some(0)]);
    offsets(&scene, &["reset", "--to-offset", "5"]);
    assert_eq!(committed(&scene), [Some(5), Some(5)]);
    offsets(&scene, &["reset", "--to-latest"]);
    assert_eq!(committed(&scene), [Some(10), Some(10)]);
    // A time that no record has come to yet is the end.
    offsets(&scene, &["reset", "--to-time", "2040-01-01T00:00:00Z"]);
    assert_eq!(committed(&scene), [Some(10), Some(10)]);
}

#[test]
fn reset_is_refused_while_the_group_has_members() {
    let Some(scene) = scene("in-use") else { return };
    let mill = Mill::start_assigned(scene.run());
    scene.wait_for_no_lag();
    let refused = offsets(&scene, &["reset", "--to-earliest"]);
    assert_eq!(refused.code(), Some(78));
    let stderr = refused.0.stderr().join("\n");
    for part in ["nothing was changed", &scene.group, "1 member (gristmill at ", "stop them all"] {
        assert!(stderr.contains(part), "{part} is not in: {stderr}");
    }
    assert!(refused.audits()[0].contains("outcome=\"failed\""), "{stderr}");
    let dry = offsets(&scene, &["reset", "--to-earliest", "--dry-run"]);
    assert_eq!(dry.code(), Some(0));
    assert!(dry.0.stderr().join("\n").contains("note: group"), "{:?}", dry.0.stderr());
    assert_eq!(committed(&scene), [Some(10), Some(10)]);
    assert_eq!(mill.stop().consumed, 20);
    assert_eq!(offsets(&scene, &["reset", "--to-earliest"]).code(), Some(0), "now it has none");
    assert_eq!(committed(&scene), [Some(0), Some(0)]);
}

#[test]
fn what_is_not_there_is_refused() {
    let Some(scene) = scene("absent") else { return };
    for (arguments, words) in [
        (&["reset", "--to-offset", "11"][..], "partition 0 has 0 to 10, partition 1 has 0 to 10"),
        (&["reset", "--to-earliest", "--partition", "0,2"], "there is no partition 2; they are 0 to 1"),
        (&["show", "--input-topic", "no-such-topic"], "no-such-topic (KAFKA_INPUT_TOPIC) does not exist"),
    ] {
        let refused = offsets(&scene, arguments);
        assert_eq!(refused.code(), Some(78), "{arguments:?}");
        let stderr = refused.0.stderr().join("\n");
        assert!(stderr.contains(words), "{words} is not in: {stderr}");
    }
    assert_eq!(committed(&scene), [None, None]);
}
