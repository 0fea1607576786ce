use super::super::USES;
use super::*;
use crate::forward::manners::Dress;
use crate::forward::query::UpstreamQuery;
use crate::forward::testing::question;
use crate::model::Upstream;

const PATIENCE: Duration = Duration::from_secs(20);

/// A poller, the socket that it waits for beside its own, and an upstream that says what the test has it say.
struct Bench {
    poller: UpstreamPoller<u32>,
    own: UdpSocket,
    upstream: UdpSocket,
    standing: Arc<Standing>,
}

impl Bench {
    fn new(most: usize) -> Self {
        let [own, upstream] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        upstream.set_read_timeout(Some(PATIENCE)).unwrap();
        let standing = Arc::new(Standing::new(Upstream::from(upstream.local_addr().unwrap())));
        Self { poller: UpstreamPoller::new(&own, most).unwrap(), own, upstream, standing }
    }

    /// Asks; late after so long.
    fn ask(&mut self, number: u32, patience: Duration) {
        let query = UpstreamQuery::new(&question(), &Dress::default());
        let first = FirstQuery { query, standing: Arc::clone(&self.standing), late_at: Instant::now() + patience };
        assert!(self.poller.ask(first, number).is_ok());
    }

    /// What the upstream gets next, and from where.
    fn question(&self) -> (Vec<u8>, std::net::SocketAddr) {
        let mut octets = [0; 512];
        let (len, from) = self.upstream.recv_from(&mut octets).unwrap();
        (octets[..len].to_vec(), from)
    }

    /// Answers the next question; returns the port that it came from.
    fn answer(&self) -> u16 {
        let (mut reply, from) = self.question();
        reply[2] |= 0x80;
        self.upstream.send_to(&reply, from).unwrap();
        from.port()
    }

    /// Waits until so much is told.
    fn told(&mut self, count: usize) -> Vec<QuestionEvent<u32>> {
        let (mut all, began) = (Vec::new(), Instant::now());
        while all.len() < count {
            assert!(began.elapsed() < PATIENCE, "{} of {count}", all.len());
            self.poller.wait(|told| all.push(told)).unwrap();
        }
        all
    }
}

#[test]
fn replies_are_told_to_who_asked() {
    let mut bench = Bench::new(4);
    assert!(bench.poller.is_idle() && !bench.poller.is_awaited());
    (0..100).for_each(|number| bench.ask(number, PATIENCE));
    assert!(bench.poller.is_awaited());
    let mut ports: Vec<u16> = (0..100).map(|_| bench.answer()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4, "as many sockets as may be");
    let mut numbers: Vec<u32> = bench
        .told(100)
        .into_iter()
        .map(|told| match told {
            QuestionEvent::Heard(number, Ok(Heard::Reply(_))) => number,
            _ => panic!("no reply"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert!(!bench.poller.is_awaited() && !bench.poller.is_idle(), "sockets stay open for a while");
    bench.poller.sweep(Instant::now() + LIFE);
    assert!(bench.poller.is_idle());
    bench.ask(7, PATIENCE);
    bench.answer();
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(7, Ok(_))]), "and again");
}

#[test]
fn its_own_socket_wakes_it_until_it_is_left() {
    let mut bench = Bench::new(1);
    bench.upstream.send_to(b"a client's", bench.own.local_addr().unwrap()).unwrap();
    assert!(bench.poller.wait(|_| panic!("nothing was asked")).unwrap());
    bench.poller.leave_own(&bench.own);
    assert!(!bench.poller.wait(|_| panic!("nothing was asked")).unwrap());
}

#[test]
fn a_late_question_goes_on_elsewhere_and_its_reply_too() {
    let mut bench = Bench::new(1);
    bench.ask(1, Duration::ZERO);
    bench.ask(2, PATIENCE);
    let Some(QuestionEvent::Late(1, mut heard)) = bench.told(1).pop() else { panic!("not late") };
    assert!(heard.try_recv().is_err());
    bench.answer();
    bench.answer();
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(2, Ok(Heard::Reply(_)))]), "the other one is not late");
    assert!(matches!(heard.try_recv(), Ok(Ok(Heard::Reply(_)))));
    // where nobody waits any more, nothing is kept open
    bench.ask(3, Duration::ZERO);
    drop(bench.told(1));
    assert!(!bench.poller.is_awaited());
}

#[test]
fn an_answered_question_is_never_late() {
    let mut bench = Bench::new(1);
    bench.ask(1, PATIENCE);
    bench.answer();
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(1, Ok(_))]));
    bench.ask(2, PATIENCE);
    let mut late = 0;
    bench.poller.hand_over_late(Instant::now() + PATIENCE, &mut |event| {
        late += u32::from(matches!(event, QuestionEvent::Late(2, _)));
    });
    assert_eq!(late, 1, "the second one only");
}

#[test]
fn that_nobody_listens_is_told_at_once() {
    let mut bench = Bench::new(1);
    bench.upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
    bench.ask(1, PATIENCE);
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(1, Err(Failure::Refused))]));
}

#[test]
fn a_worn_socket_is_replaced_and_closes_with_its_last_reply() {
    let mut bench = Bench::new(1);
    bench.ask(0, PATIENCE);
    let (mut first, from) = bench.question();
    for number in 1..USES {
        bench.ask(number, PATIENCE);
        assert_eq!(bench.answer(), from.port());
        bench.told(1);
    }
    bench.ask(USES, PATIENCE);
    assert_ne!(bench.answer(), from.port());
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(USES, Ok(_))]));
    assert_eq!(bench.poller.open, 2, "the old one waits for its last reply");
    first[2] |= 0x80;
    bench.upstream.send_to(&first, from).unwrap();
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(0, Ok(_))]));
    assert_eq!(bench.poller.open, 1);
}

#[test]
fn what_is_no_reply_is_told_to_nobody() {
    let mut bench = Bench::new(1);
    bench.ask(1, PATIENCE);
    let (mut reply, from) = bench.question();
    reply[2] |= 0x80;
    reply[0] ^= 1;
    bench.upstream.send_to(&reply, from).unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    reply[0] ^= 1;
    stranger.send_to(&reply, from).unwrap();
    bench.upstream.send_to(&reply[..11], from).unwrap();
    assert!(!bench.poller.wait(|_| panic!("no reply")).unwrap());
    bench.upstream.send_to(&reply, from).unwrap();
    assert!(matches!(bench.told(1)[..], [QuestionEvent::Heard(1, Ok(Heard::Reply(_)))]));
}
