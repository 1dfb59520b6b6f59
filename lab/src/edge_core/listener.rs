//! The socket, the handshakes on it, and the threads of each connection.

use std::{
    fs,
    io::{self, BufReader, Cursor, Read, Write},
    net::Shutdown,
    os::{
        fd::OwnedFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Fault,
    frame::{FrameError, read_frame},
    handshake::{self, Handshake, Role},
    state::{Connection, Shared},
};

/// A socket that is being listened on.
pub(super) struct Listening {
    /// The listener's own socket, to be shut down so that `accept` returns.
    socket: UnixStream,
    thread: JoinHandle<()>,
}

impl Listening {
    /// Replaces whatever socket is at `path` and accepts clients on it.
    pub(super) fn start(shared: &Arc<Shared>, path: &Path) -> io::Result<Listening> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        let socket = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let shared = shared.clone();
        let thread = thread::spawn(move || accept(&shared, &listener));
        Ok(Listening { socket, thread })
    }

    /// Ends the listening and waits for it. All connections have to be cut before, and
    /// [`State::listening`](super::state::State::listening) has to be `None`.
    pub(super) fn stop(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = self.thread.join();
    }
}

/// Takes clients one by one: like the real event loop, it reads one handshake to its end before
/// it looks at the next client.
fn accept(shared: &Arc<Shared>, listener: &UnixListener) {
    while let Ok((stream, _)) = listener.accept() {
        let Ok(handle) = stream.try_clone() else {
            return;
        };
        let stopped = shared.update(|state| {
            // What is kept here is also what ends the client when this side stops later.
            state.handshaking = state.listening.is_some().then_some(handle);
            state.handshaking.is_none()
        });
        if stopped {
            return;
        }
        let shaken = shake_hands(shared, &stream);
        shared.update(|state| state.handshaking = None);
        if let Some(upgraded) = shaken {
            wait_for_those_who_left(shared);
            serve(shared, stream, upgraded);
        }
    }
}

/// Waits until all clients that have hung up are forgotten. The real event loop sees their ends
/// before it sees the next client, so a translator that reconnects finds its names free.
fn wait_for_those_who_left(shared: &Shared) {
    let left: Vec<usize> = shared.update(|state| {
        let clients = state.connections.iter();
        clients.filter(|(_, client)| has_left(&client.stream)).map(|(number, _)| *number).collect()
    });
    shared.wait(None, |state| {
        left.iter().all(|number| !state.connections.contains_key(number)).then_some(())
    });
}

fn has_left(stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // What is not asked for is told too: HUP and ERR.
    poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// A client whose request is to be answered.
struct Upgraded {
    role: Role,
    path: String,
    answer: Vec<u8>,
    /// What came after the request.
    rest: Vec<u8>,
}

fn shake_hands(shared: &Shared, mut stream: &UnixStream) -> Option<Upgraded> {
    let mut received = Vec::new();
    let (handshake, length) = loop {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => received.extend_from_slice(&buffer[..read]),
            _ => {
                shared.update(|state| {
                    // Cut by this side when nobody is shaking hands any more.
                    if state.handshaking.is_some() {
                        state.violations.push(format!(
                            "a client left after {} bytes of a handshake: all others had to wait",
                            received.len()
                        ));
                    }
                });
                return None;
            }
        }
        if let Some(parsed) = handshake::parse(&received) {
            break parsed;
        }
    };
    let is_fault = |fault: &Fault| matches!(fault, Fault::CutAtHandshake | Fault::StallAtHandshake);
    match shared.update(|state| state.take_fault(is_fault)) {
        Some(Fault::StallAtHandshake) => {
            // Until the client leaves, or is cut.
            let _ = io::copy(&mut stream, &mut io::sink());
            return None;
        }
        Some(_) => return None,
        None => {}
    }
    match handshake {
        Handshake::Upgrade { role, path, answer } => {
            Some(Upgraded { role, path, answer, rest: received.split_off(length) })
        }
        Handshake::Refuse(why) => {
            shared.update(|state| state.violations.push(format!("closed a handshake: {why}")));
            None
        }
    }
}

/// Starts the connection's threads.
fn serve(shared: &Arc<Shared>, stream: UnixStream, upgraded: Upgraded) {
    let Upgraded { role, path, answer, rest } = upgraded;
    let (Ok(handle), Ok(writer)) = (stream.try_clone(), stream.try_clone()) else {
        return;
    };
    let (outbound, frames) = mpsc::channel();
    // Before anything else, so that it is also what the client reads first.
    let _ = outbound.send(answer);
    let connection = shared.update(|state| {
        let connection = state.accepted;
        state.accepted += 1;
        match role {
            Role::Translator => state.translators_accepted += 1,
            Role::Management => {}
            Role::Deaf => state.violate(connection, &format!("upgraded on {path}, left deaf")),
        }
        let client = Connection { role, name: None, outbound, stream: handle };
        state.connections.insert(connection, client);
        if state.listening.is_none() {
            state.cut(connection);
        }
        connection
    });
    thread::spawn(move || write_frames(writer, frames));
    let shared = shared.clone();
    thread::spawn(move || {
        let stream = Cursor::new(rest).chain(BufReader::new(stream));
        read_frames(&shared, connection, stream);
    });
}

fn read_frames(shared: &Arc<Shared>, connection: usize, mut stream: impl Read) {
    loop {
        match read_frame(&mut stream) {
            Ok(frame) => {
                if let Some(later) = shared.update(|state| state.frame(connection, frame)) {
                    later.wait(shared);
                }
            }
            Err(FrameError::Ended) => {
                shared.update(|state| state.close(connection));
                return;
            }
            Err(FrameError::Broken(why)) => {
                shared.update(|state| {
                    if state.connections.contains_key(&connection) {
                        state.close_because(connection, &why);
                    }
                });
                return;
            }
        }
    }
}

/// Writes until the connection is closed or broken, and then shuts it down.
fn write_frames(mut stream: UnixStream, frames: mpsc::Receiver<Vec<u8>>) {
    for frame in frames {
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
