//! KDNET over UDP.
//!
//! The debugger listens; the target sends to it and hears the answers on the socket it sent from. To a
//! debugger on this machine the socket is bound to loopback.

use std::collections::HashMap;
use std::io::{self, Write};
use std::mem::discriminant;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::event::Event;
use super::patience::Patience;
use super::serve::IDLE;
use super::stream::Error;
use super::{live, signals};
use crate::kd::debuggee::Debuggee;
use crate::kd::record::Recorder;
use crate::kd::session::{Action, Line, Report, Session};
use crate::kdnet::channel::{self, Channel, Nonces, Outgoing, Refused, Version};
use crate::kdnet::crypto::LONGEST;
use crate::kdnet::key::{Key, KeyError};

/// How to serve over KDNET.
pub struct NetOptions<'a> {
    /// Where the debugger listens.
    pub host: SocketAddr,
    /// The key that both know.
    pub key: Key,
    /// Version of the protocol.
    pub version: Version,
    /// Port to send from; 0 lets the system choose.
    pub source_port: u16,
    /// End when the first debugger is silent.
    pub once: bool,
    /// Where the session is recorded, decrypted.
    pub record: Option<&'a mut dyn Write>,
}

/// Serves a guest to a debugger over KDNET.
///
/// # Errors
/// When the socket cannot be opened or fails.
pub fn serve_net(
    guest: &mut dyn Debuggee,
    options: NetOptions<'_>,
    report: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    let line = format!("KDNET {}", options.host);
    let open = |reason| Error::Open {
        line: line.clone(),
        reason,
    };
    let socket = UdpSocket::bind(source(options.host, options.source_port)).map_err(open)?;
    let own = own_address(&socket, options.host).map_err(open)?;
    let nonces = nonces().map_err(|error| Error::Random(error.to_string()))?;
    let channel = Channel::new(&options.key, options.version, options.host, own, nonces);
    report(&Event::Open(format!("{line}, from port {}", own.port())));
    let mut served = Served {
        socket,
        channel,
        session: Session::new(Line::Datagram),
        attached: false,
        recorder: options.record.map(|out| Recorder::new(out, Line::Datagram)),
        begin: Instant::now(),
        refused: HashMap::new(),
        unsent: false,
        looked: Duration::ZERO,
        over: false,
        once: options.once,
    };
    let end = served.run(guest, report);
    live::release(guest, &mut served.session, report);
    live::here(guest, report)?;
    end.map_err(|reason| Error::Failed { line, reason })
}

/// A source of nonces: random bytes, taken when a run begins and again when its pokes are used up.
fn nonces() -> Result<Nonces, KeyError> {
    let draw = || {
        let mut bytes = [0; 30];
        getrandom::fill(&mut bytes).map(|()| bytes)
    };
    let mut last = draw().map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(Box::new(move || {
        last = draw().unwrap_or(last);
        last
    }))
}

fn source(host: SocketAddr, port: u16) -> SocketAddr {
    let ip: IpAddr = match host.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, port)
}

/// The address that the debugger sees, as far as this machine knows it.
fn own_address(socket: &UdpSocket, host: SocketAddr) -> io::Result<SocketAddr> {
    let port = socket.local_addr()?.port();
    let probe = UdpSocket::bind(source(host, 0)).and_then(|probe| {
        probe.connect(host)?;
        probe.local_addr()
    });
    let ip = probe.map_or_else(|_| source(host, 0).ip(), |address| address.ip());
    Ok(SocketAddr::new(ip, port))
}

struct Served<'a> {
    socket: UdpSocket,
    channel: Channel,
    session: Session,
    /// A debugger has proven a key.
    attached: bool,
    recorder: Option<Recorder<'a>>,
    begin: Instant,
    refused: HashMap<std::mem::Discriminant<Refused>, u64>,
    unsent: bool,
    /// When the guest was looked at last, no debugger letting it run.
    looked: Duration,
    over: bool,
    once: bool,
}

impl Served<'_> {
    fn run(&mut self, guest: &mut dyn Debuggee, report: &mut dyn FnMut(&Event)) -> io::Result<()> {
        let mut buffer = vec![0; LONGEST.saturating_add(1)];
        let mut patience = Patience::default();
        let mut now = self.begin.elapsed();
        while !self.over {
            self.tick(guest, now, report);
            if guest.gone().is_some() {
                break;
            }
            if signals::ending() {
                report(&Event::Ending);
                break;
            }
            let wait = self.wait(now);
            if let Some(time) = patience.change(wait) {
                self.socket.set_read_timeout(Some(time))?;
            }
            let got = self.socket.recv_from(&mut buffer);
            now = self.begin.elapsed();
            match got {
                Ok((length, from)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    self.datagram(from, datagram, guest, now, report);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => patience.ran_out(),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn wait(&self, now: Duration) -> Duration {
        let session = self.session.deadline().filter(|_| self.attached);
        let deadline = session.map_or(self.channel.deadline(), |own| own.min(self.channel.deadline()));
        deadline.saturating_sub(now).min(IDLE)
    }

    fn tick(&mut self, guest: &mut dyn Debuggee, now: Duration, report: &mut dyn FnMut(&Event)) {
        self.channel.tick(now);
        let due = self.session.deadline().is_some_and(|deadline| deadline <= now);
        if self.attached && due {
            self.session.tick(guest, now);
        }
        if !self.attached || !guest.running() {
            live::look(guest, &mut self.looked, now);
        }
        if self.act(now, report) {
            // Nobody hears the guest's stop: it must not wait for ever.
            live::release(guest, &mut self.session, report);
        }
    }

    fn datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        guest: &mut dyn Debuggee,
        now: Duration,
        report: &mut dyn FnMut(&Event),
    ) {
        let body = match self.channel.push(from, datagram, now) {
            channel::Event::Response | channel::Event::Again => return,
            channel::Event::Refused(reason) => return self.refuse(reason, from, report),
            channel::Event::Begin(body) => {
                if self.attached {
                    report(&Event::Gone("another session begins".to_owned()));
                    live::release(guest, &mut self.session, report);
                    self.session.restart();
                }
                self.attached = true;
                report(&Event::Attached(format!("KDNET {from}")));
                if let Some(recorder) = &mut self.recorder {
                    recorder.session();
                }
                body
            }
            channel::Event::Data(body) => body,
        };
        if let Some(recorder) = &mut self.recorder {
            recorder.to_target(&body, now);
        }
        self.session.push(&body, guest, now);
    }

    fn refuse(&mut self, reason: Refused, from: SocketAddr, report: &mut dyn FnMut(&Event)) {
        let count = self.refused.entry(discriminant(&reason)).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        if count.checked_ilog10().and_then(|power| 10u64.checked_pow(power)) == Some(count) {
            report(&Event::Datagrams { reason, from, count });
        }
    }

    /// Sends what session and channel want sent; tells whether the debugger has just become silent.
    fn act(&mut self, now: Duration, report: &mut dyn FnMut(&Event)) -> bool {
        let mut silent = false;
        while let Some(action) = self.session.poll() {
            match action {
                Action::Send(body) => {
                    if let Some(recorder) = &mut self.recorder {
                        recorder.to_host(&body, now);
                    }
                    if let Some(outgoing) = self.channel.seal(&body) {
                        self.send(&outgoing, report);
                    }
                }
                Action::Report(words) => {
                    silent |= words == Report::Silent;
                    report(&Event::Session(words));
                }
                Action::Reboot => report(&Event::Reboot),
            }
        }
        while let Some(outgoing) = self.channel.poll() {
            self.send(&outgoing, report);
        }
        if let Some(error) = self.recorder.as_mut().and_then(Recorder::failed) {
            report(&Event::Record(error));
        }
        self.over |= self.once && silent;
        silent
    }

    /// A datagram that cannot be sent is lost, as on the way.
    fn send(&mut self, outgoing: &Outgoing, report: &mut dyn FnMut(&Event)) {
        match self.socket.send_to(&outgoing.bytes, outgoing.to) {
            Ok(_) => self.unsent = false,
            Err(error) if !self.unsent => {
                self.unsent = true;
                report(&Event::Unsent(format!("{}: {error}", outgoing.to)));
            }
            Err(_) => {}
        }
    }
}
