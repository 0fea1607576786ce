//! How elements of XML become members of JSON, as the AWS CLI prints them.

use serde_json::{Map, Value};

use super::xml::Element;

/// A member: its element, its name in JSON, what it holds.
pub(super) type ShapeMember = (&'static str, &'static str, MemberShape);

/// What a member holds.
#[derive(Debug)]
pub(super) enum MemberShape {
    Text,
    Flag,
    Number,
    /// Elements named [`ITEM`], each a text.
    Texts,
    Object(&'static [ShapeMember]),
    /// Elements named [`ITEM`].
    Objects(&'static [ShapeMember]),
    /// Elements of another name.
    ObjectsOf(&'static str, &'static [ShapeMember]),
}

use MemberShape::{Flag, Number, Object, Objects, ObjectsOf, Text, Texts};

/// What the elements of EC2's lists are named.
pub(super) const ITEM: &str = "item";

/// The elements of a list, all of which are named `name`.
pub(super) fn items<'e>(list: &'e Element, name: &str) -> Result<impl Iterator<Item = &'e Element>, String> {
    match list.children.iter().find(|child| child.name != name) {
        Some(strange) => Err(format!("has <{}> in <{}>", strange.name, list.name)),
        None => Ok(list.children.iter()),
    }
}

/// An object with those of `members` that are there.
pub(super) fn object(element: &Element, members: &[ShapeMember]) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    for (name, key, shape) in members {
        if let Some(child) = element.child(name) {
            object.insert((*key).to_owned(), value(child, shape)?);
        }
    }
    Ok(object)
}

/// What an element holds.
pub(super) fn value(element: &Element, shape: &MemberShape) -> Result<Value, String> {
    let wrong = |what| Err(format!("has '{}' in <{}>, which is no {what}", element.text, element.name));
    Ok(match shape {
        Text => Value::from(element.text.as_str()),
        // emulators written in Python say True
        Flag => match element.text.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return wrong("flag"),
        },
        Number => match element.text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => return wrong("number"),
        },
        Texts => items(element, ITEM)?.map(|item| Value::from(item.text.as_str())).collect(),
        Object(members) => Value::Object(object(element, members)?),
        Objects(members) => objects(element, ITEM, members)?,
        ObjectsOf(name, members) => objects(element, name, members)?,
    })
}

fn objects(element: &Element, name: &str, members: &[ShapeMember]) -> Result<Value, String> {
    let objects = items(element, name)?.map(|item| Ok(Value::Object(object(item, members)?)));
    Ok(Value::Array(objects.collect::<Result<_, String>>()?))
}
