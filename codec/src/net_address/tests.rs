//! Addresses against the tables of the reference.

use proptest::prelude::*;

use super::text::HOST_LABEL_MAX;
use super::*;

const ID: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const OTHER_ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn address(host_port: &str) -> NetAddress {
    format!("{ID}@{host_port}")
        .parse()
        .expect("the test's own address")
}

// Conformance item 26.
#[test]
fn an_address_is_made_from_id_ip_and_port() {
    let made = NetAddress::from_ip(ID.parse().unwrap(), [127, 0, 0, 1].into(), 8080);
    assert_eq!(made, address("127.0.0.1:8080"));
    assert_eq!(made.dial_text(), "127.0.0.1:8080");
}

// Conformance item 27.
#[test]
fn an_address_is_read_with_or_without_a_protocol() {
    for protocol in ["", "tcp://", "udp://"] {
        let text = format!("{protocol}{ID}@127.0.0.1:8080");
        let read: NetAddress = text.parse().unwrap();
        assert_eq!(read.to_string(), format!("{ID}@127.0.0.1:8080"));
    }
}

// Conformance item 27.
#[test]
fn what_is_no_address_is_refused_with_its_reason() {
    use NetAddressError::*;
    let long_id = ID.repeat(2);
    let not_hex = format!("xxxx{}", &ID[4..]);
    let table: &[(&str, NetAddressError)] = &[
        ("", NoId),
        ("@", NoId),
        (" @", NoId),
        (" @ ", NoId),
        ("127.0.0.1:8080", NoId),
        ("tcp://127.0.0.1:8080", NoId),
        ("udp://127.0.0.1:8080", NoId),
        ("notahost", NoId),
        ("notahost:8080", NoId),
        ("8082", NoId),
        ("127.0.0.1:notapath", NoId),
        ("127.0.0:8080000", NoId),
        ("tcp://@127.0.0.1:8080", NoId),
        ("tcp://@", NoId),
        ("tcp://:26656", NoId),
        (&format!("t\x1b[2J://{ID}@127.0.0.1:8080"), InvalidProtocol),
        (&format!("t p://{ID}@127.0.0.1:8080"), InvalidProtocol),
        (&format!("tcp//{ID}@127.0.0.1:8080"), InvalidId),
        ("deadbeef@127.0.0.1:8080", InvalidId),
        ("this-isnot-hex@127.0.0.1:8080", InvalidId),
        (&format!("{not_hex}@127.0.0.1:8080"), InvalidId),
        (&format!("tcp://{long_id}@127.0.0.1:8080"), InvalidId),
        (&format!("{ID}@"), NoHost),
        (&format!("{ID}@:26656"), NoHost),
        (&format!("{ID}@127.0.0.1"), NoPort),
        (&format!("{ID}@127.0.0.1:"), InvalidPort),
        (&format!("{ID}@127.0.0.1:port"), InvalidPort),
        (&format!("{ID}@127.0.0.1:+80"), InvalidPort),
        (&format!("{ID}@127.0.0.1:65536"), InvalidPort),
        (&format!("{ID}@127.0.0:8080000"), InvalidPort),
        (&format!("{ID}@127.0.0:8080"), InvalidHost),
        (&format!("{ID}@1.2.3.256:8080"), InvalidHost),
        (&format!("{ID}@::1:8080"), InvalidHost),
        (&format!("{ID}@[::1:8080"), InvalidHost),
        (&format!("{ID}@[127.0.0.1]:8080"), InvalidHost),
        (&format!("{ID}@[fe80::1%eth0]:8080"), InvalidHost),
        (&format!("{ID}@ho st:8080"), InvalidHost),
        (&format!("{ID}@-host:8080"), InvalidHost),
        (&format!("{ID}@host..org:8080"), InvalidHost),
        (&format!("{ID}@{ID}@127.0.0.1:8080"), InvalidHost),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<NetAddress>(), Err(*error), "{text:?}");
    }
}

#[test]
fn in_json_an_address_is_its_text() {
    let json = format!("\"{ID}@[2001:db8::7]:26656\"");
    let read: NetAddress = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    assert!(serde_json::from_str::<NetAddress>("\"127.0.0.1:80\"").is_err());
}

#[test]
fn the_last_port_passes() {
    assert_eq!(address("127.0.0.1:65535").port, 65_535);
}

#[test]
fn ipv6_stands_in_brackets_both_ways() {
    let read = address("[2001:DB8::7]:26656");
    assert_eq!(read.to_string(), format!("{ID}@[2001:db8::7]:26656"));
    assert_eq!(read.dial_text(), "[2001:db8::7]:26656");
}

#[test]
fn mapped_ipv4_is_the_same_place_as_ipv4() {
    assert_eq!(address("[::ffff:1.2.3.4]:80"), address("1.2.3.4:80"));
}

#[test]
fn a_name_is_kept_and_not_resolved() {
    let read = address("Seed-1.Example.com:26656");
    assert_eq!(read.host, Host::Name("seed-1.example.com".into()));
}

#[test]
fn names_and_labels_at_their_limit_pass_and_longer_ones_are_refused() {
    let label = "a".repeat(HOST_LABEL_MAX);
    let name = [&label[..], &label, &label, &label[..61]].join(".");
    assert_eq!(name.len(), HOST_NAME_MAX);
    assert_eq!(
        address(&format!("{name}:65535")).dial_text(),
        format!("{name}:65535")
    );
    for longer in [format!("{name}a"), format!("{label}a")] {
        let read = format!("{ID}@{longer}:1").parse::<NetAddress>();
        assert_eq!(read, Err(NetAddressError::InvalidHost));
    }
    let text = "a".repeat(NET_ADDRESS_TEXT_MAX + 1);
    assert_eq!(text.parse::<NetAddress>(), Err(NetAddressError::TooLong));
    assert_eq!(text[1..].parse::<NetAddress>(), Err(NetAddressError::NoId));
}

// Conformance item 28.
#[test]
fn a_list_gives_its_good_and_its_bad_ones_separately() {
    let texts = [
        "127.0.0.1:8080".to_owned(),
        format!("{ID}@127.0.0.1:8080"),
        format!("{OTHER_ID}@127.0.0.2:8080"),
    ];
    let (good, bad) = NetAddress::parse_list(texts.iter().map(String::as_str));
    assert_eq!(good.len(), 2);
    assert_eq!(bad, [(0, NetAddressError::NoId)]);
}

// Conformance item 29.
#[test]
fn a_loopback_address_is_valid_and_local_but_not_routable() {
    for host_port in [
        "127.0.0.1:8080",
        "[::1]:8080",
        "localhost:8080",
        "a.localhost.:8080",
    ] {
        let local = address(host_port);
        assert!(
            local.is_valid() && local.is_local() && !local.is_routable(),
            "{host_port}"
        );
    }
}

// Conformance item 29.
#[test]
fn a_public_name_or_ip_is_valid_and_routable_but_not_local() {
    for host_port in [
        "ya.ru:80",
        "8.8.8.8:80",
        "[2a00:1450::1]:80",
        "notlocalhost:80",
    ] {
        let public = address(host_port);
        assert!(
            public.is_valid() && !public.is_local() && public.is_routable(),
            "{host_port}"
        );
    }
}

#[test]
fn unspecified_broadcast_and_documentation_addresses_are_not_valid() {
    for host_port in [
        "0.0.0.0:80",
        "[::]:80",
        "255.255.255.255:80",
        "[2001:db8::1]:80",
    ] {
        assert!(!address(host_port).is_valid(), "{host_port}");
    }
}

// Conformance item 30.
#[test]
fn reachability_has_the_scores_of_the_reference() {
    let (local, ipv4, ipv6) = ("127.0.0.1:1", "8.8.8.8:1", "[2a00:1450::1]:1");
    let (teredo, six_to_four) = ("[2001:0:1234::1]:1", "[2002:c01:203::]:1");
    let table = [
        (local, local, 0),
        (local, ipv4, 0),
        ("ya.ru:80", local, 1),
        (ipv4, local, 1),
        (ipv4, ipv6, 1),
        (ipv4, ipv4, 4),
        (ipv4, "ya.ru:80", 4),
        (ipv6, local, 1),
        (ipv6, ipv4, 4),
        (ipv6, teredo, 2),
        (ipv6, six_to_four, 3),
        (ipv6, ipv6, 5),
        (teredo, local, 1),
        (teredo, ipv4, 4),
        (teredo, teredo, 2),
        (teredo, ipv6, 3),
    ];
    for (source, target, score) in table {
        let reach = address(source).reachability_to(&address(target));
        assert_eq!(reach as u8, score, "{source} to {target}");
    }
}

#[test]
fn the_same_node_or_the_same_place_is_the_same() {
    let here = address("1.2.3.4:80");
    let other_node = |host_port: &str| -> NetAddress {
        format!("{OTHER_ID}@{host_port}")
            .parse()
            .expect("the test's own address")
    };
    assert!(here.same(&address("5.6.7.8:80")));
    assert!(here.same(&other_node("1.2.3.4:80")));
    assert!(!here.same(&other_node("1.2.3.4:81")));
}

#[test]
fn a_listen_address_has_no_id() {
    let any = Host::from_ip([0, 0, 0, 0].into());
    assert_eq!(
        parse_listen_address("tcp://0.0.0.0:26656"),
        Ok((any, 26_656))
    );
    assert_eq!(parse_listen_address(""), Err(NetAddressError::NoHost));
    assert_eq!(parse_listen_address(":26656"), Err(NetAddressError::NoHost));
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(ip: std::net::IpAddr, port: u16) {
        let shown = NetAddress::from_ip(ID.parse().unwrap(), ip, port);
        prop_assert_eq!(shown.to_string().parse(), Ok(shown));
    }

    #[test]
    fn any_text_is_answered(host_port in ".{0,40}") {
        fuzz_net_address(host_port.as_bytes());
        fuzz_net_address(format!("{ID}@{host_port}").as_bytes());
    }
}

#[test]
fn the_address_of_a_unix_socket_is_read_as_it_is_shown_and_is_nobody_elses_affair() {
    let at = address("unix:///run/node/p2p.sock");
    assert_eq!(at, NetAddress::from_unix(at.id, "/run/node/p2p.sock"));
    assert_eq!(at.to_string(), format!("{ID}@unix:///run/node/p2p.sock"));
    assert_eq!(at.dial_text(), "unix:///run/node/p2p.sock");
    assert_eq!((at.port, at.host.ip()), (0, None));
    assert!(at.can_be_dialed() && at.is_local());
    assert!(!at.is_valid() && !at.is_routable());
    assert!(!address("127.0.0.1:0").can_be_dialed());
}

#[test]
fn a_path_that_no_list_or_kernel_takes_is_refused() {
    use NetAddressError::*;
    let path_of = |len: usize| format!("/{}", "p".repeat(len - 1));
    for (path, expected) in [
        (path_of(UNIX_PATH_MAX), Ok(())),
        (path_of(UNIX_PATH_MAX + 1), Err(UnixPathTooLong)),
        (String::from("/p"), Ok(())),
        (String::from("p"), Err(InvalidUnixPath)),
        (String::new(), Err(InvalidUnixPath)),
        (String::from("/"), Err(InvalidUnixPath)),
        (String::from("/run/"), Err(InvalidUnixPath)),
        (String::from("/a,b"), Err(InvalidUnixPath)),
        (String::from("/a b"), Err(InvalidUnixPath)),
        (String::from("/a\0b"), Err(InvalidUnixPath)),
        (String::from("/a\x1b[2J"), Err(InvalidUnixPath)),
    ] {
        let read = format!("{ID}@unix://{path}").parse::<NetAddress>();
        assert_eq!(read.map(drop), expected, "{path:?}");
    }
    assert_eq!("@unix:///p".parse::<NetAddress>(), Err(NoId));
    assert_eq!("x@unix:///p".parse::<NetAddress>(), Err(InvalidId));
}

#[test]
fn a_peer_cannot_announce_a_unix_socket() {
    assert!(parse_listen_address("unix:///run/p2p.sock").is_err());
    assert!(parse_listen_address("unix:///run/p2p.sock:1").is_err());
}
