//! Every mistake of a contract file, as its author reads it.

use super::Plan;

fn mistakes(text: &str) -> Vec<String> {
    match Plan::parse(text, "c.toml") {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The mistakes of a field's table, without the lines in front.
fn field_mistakes(table: &str) -> Vec<String> {
    let found = mistakes(&format!("name = \"t\"\n[field.x]\n{table}"));
    found.iter().map(|line| line.splitn(3, ':').nth(2).unwrap().trim().to_owned()).collect()
}

#[test]
fn the_shipped_contracts_are_right() {
    assert_eq!(Plan::user_login().name(), "user-login");
    assert_eq!(Plan::user_login().max_depth(), 64);
    assert_eq!(Plan::user_login().max_bytes(), 1_048_576);
    let fields: Vec<String> = Plan::user_login().fields().map(str::to_owned).collect();
    assert_eq!(fields, ["user_id", "app_version", "device_type", "ip", "locale", "timestamp"]);
    let payment = include_str!("../../contracts/card-payment.toml");
    let plan = Plan::parse(payment, "card-payment.toml").unwrap();
    let added: Vec<&str> = plan.added().collect();
    assert_eq!(added, ["processed_at", "pipeline", "schema", "sampled", "weight"]);
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let text = r#"
nmae = "x"
max_depth = 0
max_bytes = "1"

[field.a]
type = "strng"
requird = true

[field.b]
type = "string"
min = 3
required = "yes"
pattern = "("
set = "title"

[field.c]
required = true

[add]
a = "now"
when = 2026-01-01
far = 1e400
"#;
    assert_eq!(
        mistakes(text),
        [
            "c.toml:1: the contract has no `name`; it takes a string that dead letters carry",
            "c.toml:2: unknown key `nmae`; did you mean `name`? Accepted: `name`, `max_depth`, `max_bytes`, `field`, `add`",
            "c.toml:3: `max_depth` is 0; it takes an integer from 1 to 512",
            "c.toml:4: `max_bytes` is \"1\"; it takes an integer from 1 to 2147483647",
            "c.toml:7: there is no type \"strng\"; did you mean `string`? Accepted: `string`, `integer`, `number`, `boolean`, \
             `version`, `ip`, `epoch_seconds`, `any`",
            "c.toml:8: unknown key `requird`; did you mean `required`? Accepted: `type`, `required`, `allow_empty`, `non_empty`, \
             `min_length`, `max_length`, `one_of`, `pattern`, `set`, `min`, `max`, `deny`",
            "c.toml:12: `min` means nothing for type `string`; it takes `type`, `required`, `allow_empty`, `non_empty`, \
             `min_length`, `max_length`, `one_of`, `pattern`, `set`",
            "c.toml:13: `required` is \"yes\"; it takes true or false",
            "c.toml:14: `pattern` does not compile: unclosed group; it takes the regex crate's syntax",
            "c.toml:15: `set` is \"title\"; it takes \"lowercase\" or \"uppercase\"",
            "c.toml:17: field `c` has no `type`; accepted: `string`, `integer`, `number`, `boolean`, `version`, `ip`, \
             `epoch_seconds`, `any`",
            "c.toml:21: `a` is a field of the contract too; an added name is none of its fields",
            "c.toml:22: `when` is 2026-01-01; it takes \"now\", or a constant: a string, a finite number, true or false",
            "c.toml:23: `far` is 1e400; it takes \"now\", or a constant: a string, a finite number, true or false",
        ]
    );
}

#[test]
fn what_is_no_toml_is_told_with_the_rest() {
    let found =
        mistakes("name = \"t\"\n[field.x]\ntype = \"version\"\nmin = 2.0.0\nmax = 1\n[field.x]\nother = 1\n");
    assert!(
        found[0].starts_with("c.toml:4: ") && found[0].ends_with("; a contract is a TOML file"),
        "{found:?}"
    );
    assert!(
        found.iter().any(|line| line.starts_with("c.toml:5: `max` is 1; it takes a version")),
        "{found:?}"
    );
    assert!(found.iter().any(|line| line.starts_with("c.toml:6: duplicate table `[field.x]`")), "{found:?}");
    let lines: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert!(lines.is_sorted(), "{found:?}");
}

#[test]
fn a_contract_asks_for_something() {
    let nothing =
        "the contract asks for nothing; it takes a [field.NAME] or an [add] with at least one value";
    assert_eq!(mistakes("name = \"t\""), [format!("c.toml:1: {nothing}")]);
    assert_eq!(mistakes("name = \"t\"\n[field]\n[add]"), [format!("c.toml:1: {nothing}")]);
    assert_eq!(
        mistakes("name = \" \"\n[add]\na = 1"),
        ["c.toml:1: `name` is \" \"; it takes a string that is not empty"]
    );
    assert_eq!(
        mistakes("name = \"t\"\nfield = 1\n[add]\na = 1"),
        ["c.toml:2: `field` is 1; it takes tables, [field.NAME]"]
    );
    assert_eq!(
        mistakes("name = \"t\"\n[field]\na = 1"),
        ["c.toml:3: `a` is 1; it takes a table, [field.NAME]"]
    );
    assert_eq!(
        mistakes("name = \"t\"\n[[add]]\na = 1"),
        ["c.toml:2: `add` is a list; it takes a table, [add]"]
    );
    assert!(mistakes("name = \"t\"\n[add]\na = 1").is_empty());
    assert!(mistakes("name = \"t\"\n[field.\"\"]\ntype = \"any\"").is_empty());
}

#[test]
fn limits_stand_in_their_order() {
    for (table, expected) in [
        ("type = \"integer\"\nmin = 3\nmax = 2", "`max` 2 is below `min` 3; at least 3"),
        (
            "type = \"number\"\nmin = 0.3\nmax = 0.299999999999999999999",
            "`max` 0.299999999999999999999 is below `min` 0.3; at least 0.3",
        ),
        (
            "type = \"version\"\nmin = \"2\"\nmax = \"2.0.0-rc.1\"",
            "`max` 2.0.0-rc.1 is below `min` 2; at least 2",
        ),
        ("type = \"epoch_seconds\"\nmin = 1\nmax = 0", "`max` 0 is below `min` 1; at least 1"),
        (
            "type = \"string\"\nmin_length = 4\nmax_length = 3",
            "`max_length` 3 is below `min_length` 4; at least 4",
        ),
    ] {
        assert_eq!(field_mistakes(table), [expected], "{table}");
    }
    assert!(field_mistakes("type = \"version\"\nmin = \"2\"\nmax = \"2.0.0\"").is_empty());
}

#[test]
fn values_are_of_the_fields_type() {
    for (table, expected) in [
        ("type = \"integer\"\nmin = 1.5", "`min` is 1.5; it takes an integer of at most 128 bits"),
        (
            "type = \"integer\"\none_of = [1, \"2\"]",
            "`one_of` has \"2\"; each is an integer of at most 128 bits",
        ),
        ("type = \"integer\"\none_of = 1", "`one_of` is 1; it takes a list of numbers, at least one"),
        (
            "type = \"integer\"\none_of = []",
            "`one_of` is an empty list; it takes a list of numbers, at least one",
        ),
        (
            "type = \"integer\"\nmax = 4\none_of = [4, 5]",
            "5 in `one_of` can never pass: above the maximum 4; leave it out",
        ),
        ("type = \"number\"\nmin = nan", "`min` is nan; it takes a finite number"),
        ("type = \"number\"\nmax = -inf", "`max` is -inf; it takes a finite number"),
        (
            "type = \"version\"\nmin = \"v2\"",
            "`min` is \"v2\"; it takes a version in a string, such as \"2.0.0\"",
        ),
        ("type = \"version\"\nmin = 2", "`min` is 2; it takes a version in a string, such as \"2.0.0\""),
        ("type = \"epoch_seconds\"\nmin = -1", "`min` is -1; it takes a number of seconds, from 0 to 2^64-1"),
        ("type = \"string\"\none_of = [\"a\", 2]", "`one_of` has 2; it takes strings"),
        (
            "type = \"string\"\nmin_length = 2\none_of = [\"ab\", \"é\"]",
            "\"é\" in `one_of` can never pass: shorter than 2 characters; leave it out",
        ),
        (
            "type = \"string\"\nmin_length = -1",
            "`min_length` is -1; it takes an integer from 0 to 4294967295",
        ),
        (
            "type = \"string\"\nallow_empty = true\nnon_empty = true",
            "`non_empty` contradicts `allow_empty`; one of them",
        ),
        (
            "type = \"ip\"\ndeny = [\"privat\"]",
            "there is no address class \"privat\"; did you mean `private`? Accepted: \
          `private`, `loopback`, `link_local`, `multicast`, `unspecified`",
        ),
        (
            "type = \"ip\"\ndeny = \"private\"",
            "`deny` is \"private\"; it takes a list of address classes, at least one",
        ),
        (
            "type = \"boolean\"\none_of = [true]",
            "`one_of` means nothing for type `boolean`; it takes `type`, `required`, `allow_empty`",
        ),
        (
            "type = \"integer\"\nmin_length = 2",
            "`min_length` means nothing for type `integer`; it takes `type`, `required`, `allow_empty`, `min`, `max`, `one_of`",
        ),
        ("type = 3", "`type` is 3; it takes the name of a type in a string"),
        (
            "type = \"string\"\npattern = \"a)|(b\"",
            "`pattern` does not compile: unopened group; it takes the regex crate's syntax",
        ),
    ] {
        assert_eq!(field_mistakes(table), [expected], "{table}");
    }
    for right in [
        "type = \"integer\"\nmin = -170141183460469231731687303715884105728\nmax = 0x7f_ff",
        "type = \"any\"\nallow_empty = true",
        "type = \"boolean\"\nallow_empty = true",
        "type = \"number\"\nmin = +1\nmax = 1_000.5e3\none_of = [1, 0x10, 1e2]",
        "type = \"string\"\npattern = \"(?x) a b # two letters\"",
    ] {
        assert_eq!(field_mistakes(right), [""; 0], "{right}");
    }
}

#[test]
fn nothing_is_said_that_only_follows_from_a_broken_header() {
    for header in ["[field.a", "[[field.a]", "[field.\"a]", "[field.a b]", "[add"] {
        let text = format!(
            "name = \"t\"\n{header}\ntype = \"string\"\nname = 1\nfoo = 1\n[field.b]\ntype = \"ip\"\nmin = 1"
        );
        let found = mistakes(&text);
        assert!(
            found[0].starts_with("c.toml:2: ") && found[0].ends_with("a contract is a TOML file"),
            "{found:?}"
        );
        let rest: Vec<&String> =
            found[1..].iter().filter(|line| !line.starts_with("c.toml:8: `min`")).collect();
        assert!(rest.is_empty(), "{found:?}");
    }
}

#[test]
fn what_is_there_twice_is_told_once_and_named() {
    let twice = "name = \"t\"\n[field.a]\ntype = \"string\"\ntype = \"ip\"\n[ field.a ] # again\ntype = \"integer\"\nmin = 1\n";
    assert_eq!(
        mistakes(&format!("{twice}[field.b]\ntype = \"ip\"\nmin = 1")),
        [
            "c.toml:4: duplicate key `type`; leave out one of them".to_owned(),
            "c.toml:5: duplicate table `[ field.a ]`; leave out one of them".to_owned(),
            "c.toml:10: `min` means nothing for type `ip`; it takes `type`, `required`, `allow_empty`, `deny`".to_owned(),
        ]
    );
}

#[test]
fn an_empty_string_that_is_allowed_can_be_listed() {
    let lengths = "type = \"string\"\nmin_length = 1\none_of = [\"\", \"ab\"]";
    assert_eq!(field_mistakes(&format!("allow_empty = true\n{lengths}")), Vec::<String>::new());
    assert_eq!(
        field_mistakes(lengths),
        ["\"\" in `one_of` can never pass: shorter than 1 character; leave it out"]
    );
}
