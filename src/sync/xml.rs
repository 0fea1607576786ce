//! XML of an answer as a tree. Bounded in depth; the caller bounds its length.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::ec2::xml::referenced;

/// Deepest element: answers of EC2 have about ten levels.
const DEEPEST: usize = 32;

/// An element with its text, or with its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Without a namespace.
    pub(super) name: String,
    /// Its own text, references resolved.
    pub(super) text: String,
    /// In the order of the text.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The root of a whole document; the text says what is wrong with another.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        loop {
            let event = reader.read_event().map_err(|error| format!("is not XML: {error}"))?;
            let closed = match event {
                Event::Start(start) => {
                    if root.is_some() || open.len() == DEEPEST {
                        return Err("is not XML that EC2 writes: a second root, or too deep".to_owned());
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                    None
                }
                Event::Empty(start) => Some(Self::named(start.local_name().as_ref())),
                Event::End(_) => open.pop(),
                Event::Text(part) => {
                    add(&mut open, &part.xml10_content())?;
                    None
                }
                Event::CData(part) => {
                    add(&mut open, &part.xml10_content())?;
                    None
                }
                Event::GeneralRef(reference) => {
                    let text = referenced(&reference);
                    let text = text.ok_or_else(|| format!("has the unknown entity '{}'", &*reference))?;
                    add(&mut open, &text)?;
                    None
                }
                // entities that a document declares itself are not taken
                Event::DocType(_) => return Err("has a document type, which no answer of EC2 has".to_owned()),
                Event::Eof => break,
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => None,
            };
            if let Some(closed) = closed {
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None if root.is_some() => return Err("has a second root".to_owned()),
                    None => root = Some(closed),
                }
            }
        }
        if let Some(left) = open.last() {
            return Err(format!("ends inside of <{}>: it was cut short", left.name));
        }
        root.ok_or_else(|| "has no element".to_owned())
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The first element of that name, here or below.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name { Some(self) } else { self.children.iter().find_map(|child| child.find(name)) }
    }
}

/// Text inside of an element; between the declaration and the root there is white space only.
fn add(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("is not XML: text outside of the root".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let root = Element::parse(
            "<?xml version=\"1.0\"?>\n<a:R xmlns:a=\"x\"><b>1 &lt;&#38;&gt;</b><c/><d><e><![CDATA[<x>]]></e></d></a:R>\n",
        )
        .unwrap();
        assert_eq!(root.name, "R");
        assert_eq!(root.child("b").unwrap().text, "1 <&>");
        assert_eq!(root.child("c").unwrap(), &Element::named("c"));
        assert_eq!(root.find("e").unwrap().text, "<x>");
        assert!(root.child("e").is_none());
    }

    #[test]
    fn what_is_no_whole_document_is_refused() {
        let deep = "<a>".repeat(DEEPEST + 1) + &"</a>".repeat(DEEPEST + 1);
        for (text, why) in [
            ("", "has no element"),
            ("<a><b>1</b>", "cut short"),
            ("<a><b>1</a>", "is not XML"),
            ("<a/><b/>", "second root"),
            ("<a></a><b></b>", "second root"),
            ("oops", "outside of the root"),
            ("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "document type"),
            ("<a>&x;</a>", "unknown entity"),
            ("<html><p>Bad gateway</html>", "is not XML"),
            (deep.as_str(), "too deep"),
        ] {
            let error = Element::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
