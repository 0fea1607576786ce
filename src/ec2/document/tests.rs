//! What is wrong with documents, in the words of AWS's checks.

use super::*;

/// What is wrong with `body`, as an action finds that takes members of all kinds.
fn wrong(body: &str) -> String {
    let Ok(Value::Object(members)) = serde_json::from_str(body) else { panic!("{body}") };
    let faults = RefCell::default();
    let document = Document { members: &members, path: String::new(), faults: &faults };
    document.need("VPCId", 1..=4);
    document.text("Note", 0..=2);
    document.word("Kind", &["A", "B"]);
    document.friendly_name("Name");
    document.number("Port", 0..=9);
    document.flag("On");
    document.texts("Ids", 1..=2, 1..=3);
    for target in document.structures("Targets", 0..=2).unwrap_or_default() {
        target.need("Ip", 1..=3);
    }
    document.check().map_or_else(|error| error.to_string(), |()| "-".to_owned())
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_aws() {
    let one = |path: &str, value: &str, constraint: &str| {
        format!(
            "ValidationException: 1 validation error detected: Value {value} at '{path}' failed to satisfy \
             constraint: Member must {constraint}"
        )
    };
    let name = "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9\\-_' ']+)";
    for (body, error) in [
        (r#"{"VPCId":"v","Name":"a-b_c 'd'","Port":9,"On":false,"Unknown":[1]}"#.to_owned(), "-".to_owned()),
        (r#"{"VPCId":"v","Name":null,"Ids":null,"Name":""}"#.to_owned(), "-".to_owned()),
        ("{}".to_owned(), one("vPCId", "null", "not be null")),
        (r#"{"VPCId":null}"#.to_owned(), one("vPCId", "null", "not be null")),
        (r#"{"VPCId":""}"#.to_owned(), one("vPCId", "''", "have length greater than or equal to 1")),
        (r#"{"VPCId":"12345"}"#.to_owned(), one("vPCId", "'12345'", "have length less than or equal to 4")),
        // characters, not octets
        (r#"{"VPCId":"éééé"}"#.to_owned(), "-".to_owned()),
        (r#"{"VPCId":"v","Kind":"a"}"#.to_owned(), one("kind", "'a'", "satisfy enum value set: [A, B]")),
        (r#"{"VPCId":"v","Name":"12"}"#.to_owned(), one("name", "'12'", name)),
        (r#"{"VPCId":"v","Name":"a.b"}"#.to_owned(), one("name", "'a.b'", name)),
        (r#"{"VPCId":"v","Port":10}"#.to_owned(), one("port", "'10'", "have value less than or equal to 9")),
        (r#"{"VPCId":"v","Port":-1}"#.to_owned(), one("port", "'-1'", "have value greater than or equal to 0")),
        (r#"{"VPCId":"v","Ids":[]}"#.to_owned(), one("ids", "'[...]'", "have length greater than or equal to 1")),
        (
            r#"{"VPCId":"v","Ids":["a","b","c"]}"#.to_owned(),
            one("ids", "'[...]'", "have length less than or equal to 2"),
        ),
        (r#"{"VPCId":"v","Ids":["abcd"]}"#.to_owned(), one("ids", "'abcd'", "have length less than or equal to 3")),
        (r#"{"VPCId":"v","Targets":[{}]}"#.to_owned(), one("targets.ip", "null", "not be null")),
    ] {
        assert_eq!(wrong(&body), error, "{body}");
    }
    assert!(wrong(r#"{"Kind":"a"}"#).contains("2 validation errors detected: "));
    for (body, token) in [
        (r#"{"VPCId":1}"#, "NUMBER_VALUE can not be converted to a String"),
        (r#"{"VPCId":"v","Kind":[]}"#, "START_ARRAY can not be converted to a String"),
        (r#"{"VPCId":"v","Port":"1"}"#, "STRING_VALUE can not be converted to an Integer"),
        (r#"{"VPCId":"v","Port":1.5}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"VPCId":"v","Port":99999999999999999999}"#, "NUMBER_VALUE can not be converted to an Integer"),
        (r#"{"VPCId":"v","On":"true"}"#, "STRING_VALUE can not be converted to a Boolean"),
        (r#"{"VPCId":"v","Ids":{}}"#, "START_OBJECT can not be converted to a list"),
        (r#"{"VPCId":"v","Ids":[true]}"#, "TRUE_VALUE can not be converted to a String"),
        (r#"{"VPCId":"v","Targets":[null]}"#, "NULL_VALUE can not be converted to a structure"),
    ] {
        assert_eq!(wrong(body), format!("SerializationException: {token}"), "{body}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    static ACTION: DocumentAction =
        DocumentAction { name: "X", writes: false, run: |_, _| Ok(DocumentDone::read(Value::Null)) };
    for body in ["", "[]", "1", "{", "{\"a\":}", "null", "\"x\"", "{} {}", &"[".repeat(1_000)] {
        let error = DocumentCall::new(&ACTION, body.as_bytes()).err().expect(body);
        assert_eq!(error.code, "SerializationException");
    }
    assert!(DocumentCall::new(&ACTION, b"\xff").is_err());
    let call = DocumentCall::new(&ACTION, br#"{"CreatorRequestId":"c","VPCId":"v","Name":"n","ResourceArn":"a"}"#)
        .ok()
        .unwrap();
    assert_eq!(call.ids(), ["a", "v"]);
}
