//! Answers of the EC2 API as a tree, to look things up in.

use quick_xml::Reader;
use quick_xml::events::Event;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    /// Reads a document; panics if it is none.
    pub fn parse(xml: &str) -> Self {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error}: {xml}")) {
                Event::Start(start) => {
                    let name = start.name().as_ref().to_owned();
                    open.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap_or_else(|| panic!("an end too many: {xml}")).children.push(done);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let name = &*reference;
                    let text = quick_xml::escape::unescape(&format!("&{name};")).unwrap().into_owned();
                    open.last_mut().unwrap().text.push_str(&text);
                }
                Event::Decl(_) => {}
                Event::Eof => break,
                other => panic!("{other:?}: {xml}"),
            }
        }
        assert_eq!(open.len(), 1, "an element is not closed: {xml}");
        let document = open.pop().unwrap();
        assert_eq!(document.children.len(), 1, "one root: {xml}");
        document.children.into_iter().next().unwrap()
    }

    /// The element at a path of names, `a/b/c`: the first at each step.
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |at, name| at.children.iter().find(|child| child.name == name))
    }

    /// The text there; panics if nothing is.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        &self.find(path).unwrap_or_else(|| panic!("no {path} in {self:?}")).text
    }

    /// The `<item>`s of a list; none if it is not there.
    pub fn items(&self, path: &str) -> Vec<&Self> {
        self.find(path).into_iter().flat_map(|list| &list.children).collect()
    }

    /// One text of each `<item>`; `.` is the item's own.
    pub fn texts(&self, list: &str, of: &str) -> Vec<String> {
        let text = |item: &&Self| if of == "." { item.text.clone() } else { item.text(of).to_owned() };
        self.items(list).iter().map(text).collect()
    }
}
