//! The `hosts:` line of /etc/nsswitch.conf: whom glibc asks for a host's address, and when it stops (nsswitch.conf(5)).

/// What glibc does without the file, or without the line in it.
const DEFAULT: &str = "files dns";
/// Services that know a few names only: those that they do not know are not their business.
const NARROW: [&str; 8] = ["files", "myhostname", "mymachines", "db", "nis", "hesiod", "libvirt", "libvirt_guest"];

/// One service of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsService {
    /// `files`, `dns`, `resolve`, ...
    pub name: String,
    /// Whether names that it does not know are looked up no further.
    pub ends_unknown: bool,
    /// Whether the line ends with it unless it cannot be asked: `[!UNAVAIL=return]`.
    pub ends_available: bool,
}

/// The services of the line, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nsswitch {
    /// The line as it is written.
    pub line: String,
    /// Who is asked.
    pub services: Vec<HostsService>,
}

impl Nsswitch {
    /// The last `hosts:` line of the file, or what glibc takes in its place.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines().filter_map(|line| line.split('#').next()?.trim_start().strip_prefix("hosts:"));
        let line = lines.next_back().map_or(DEFAULT, str::trim);
        let mut services: Vec<HostsService> = Vec::new();
        // actions may stand next to their bracket or apart
        for word in line.replace('[', " [ ").replace(']', " ] ").split_whitespace() {
            match (word, word.split_once('=')) {
                ("[" | "]", _) => {}
                (_, Some((status, action))) => {
                    if let Some(last) = services.last_mut() {
                        last.action(&status.to_ascii_lowercase(), &action.to_ascii_lowercase());
                    }
                }
                _ => {
                    let name = word.to_owned();
                    services.push(HostsService { name, ends_unknown: false, ends_available: false });
                }
            }
        }
        Self { line: line.to_owned(), services }
    }

    /// Whether glibc comes to `service` with a name that none of those before it knows.
    pub fn comes_to(&self, service: &str, is_running: impl Fn(&str) -> bool) -> bool {
        for known in &self.services {
            if known.name == service {
                return true;
            }
            let ends = known.ends_available || known.ends_unknown && !known.name.starts_with("mdns");
            if ends && is_running(&known.name) {
                return false;
            }
        }
        false
    }

    /// The service because of which glibc does not come to DNS: it ends the search, and knows a few names only.
    pub fn dead_end(&self) -> Option<&str> {
        let end = self.services.iter().find(|service| service.ends_unknown || service.ends_available)?;
        NARROW.contains(&end.name.as_str()).then_some(&end.name)
    }
}

impl HostsService {
    fn action(&mut self, status: &str, action: &str) {
        if action != "return" {
            return;
        }
        match status {
            "notfound" => self.ends_unknown = true,
            "!unavail" => self.ends_available = true,
            "!success" | "!tryagain" => (self.ends_unknown, self.ends_available) = (true, true),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as distributions write them.
    #[test]
    fn lines_of_the_wild_are_read() {
        for (line, runs, dns, resolve) in [
            ("hosts: files dns", "", true, false),
            ("hosts:          files mdns4_minimal [NOTFOUND=return] dns", "mdns4_minimal", true, false),
            ("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "resolve", false, true),
            ("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "", true, true),
            ("hosts: files resolve [!UNAVAIL=return] dns # systemd", "resolve", false, true),
            ("hosts: files myhostname resolve [!UNAVAIL=return] dns\n", "resolve", false, true),
            ("# nothing here\npasswd: files\n", "", true, false),
            ("hosts: files", "", false, false),
            ("hosts: files [NOTFOUND=return] dns", "files", false, false),
            ("hosts: files [ notfound=RETURN ]dns", "files", false, false),
            ("hosts: files [SUCCESS=merge] dns", "files", true, false),
        ] {
            let nsswitch = Nsswitch::parse(line);
            let is_running = |service: &str| service == runs;
            let comes = ["dns", "resolve"].map(|service| nsswitch.comes_to(service, is_running));
            assert_eq!(comes, [dns, resolve], "{line}");
        }
        assert_eq!(Nsswitch::parse("hosts: files [NOTFOUND=return] dns").dead_end(), Some("files"));
        assert_eq!(Nsswitch::parse("hosts: files resolve [!UNAVAIL=return] dns").dead_end(), None);
        assert_eq!(Nsswitch::parse("hosts: files mdns4_minimal [NOTFOUND=return] dns").dead_end(), None);
    }
}
