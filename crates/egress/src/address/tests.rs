use super::AddressClass::{
    LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved, Unspecified,
};
use super::*;
use url::{Host, Url};

#[test]
fn every_special_range_has_its_class_and_its_neighbours_do_not() {
    for (address, expected) in [
        ("0.0.0.0", Unspecified),
        ("0.255.255.255", Unspecified),
        ("1.1.1.1", Public),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("11.0.0.0", Public),
        ("100.63.255.255", Public),
        ("100.64.0.0", Private),
        ("100.127.255.255", Private),
        ("100.128.0.0", Public),
        ("100.100.100.200", Metadata),
        ("127.0.0.1", Loopback),
        ("127.255.255.254", Loopback),
        ("128.0.0.0", Public),
        ("168.63.129.16", Metadata),
        ("169.253.255.255", Public),
        ("169.254.0.1", LinkLocal),
        ("169.254.169.254", LinkLocal),
        ("169.255.0.0", Public),
        ("172.15.255.255", Public),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Public),
        ("192.0.0.1", Reserved),
        ("192.0.0.192", Metadata),
        ("192.0.2.1", Reserved),
        ("192.88.99.1", Reserved),
        ("192.168.9.9", Private),
        ("198.18.0.1", Private),
        ("198.51.100.1", Reserved),
        ("203.0.113.1", Reserved),
        ("224.0.0.1", Multicast),
        ("239.255.255.255", Multicast),
        ("240.0.0.1", Reserved),
        ("255.255.255.255", Reserved),
        ("::", Unspecified),
        ("::1", Loopback),
        ("::2", Reserved),
        ("::127.0.0.1", Reserved),
        ("::ffff:127.0.0.1", Loopback),
        ("::ffff:10.1.2.3", Private),
        ("::ffff:169.254.169.254", LinkLocal),
        ("::ffff:1.1.1.1", Public),
        ("64:ff9b::1.1.1.1", Public),
        ("64:ff9b::169.254.169.254", LinkLocal),
        ("64:ff9b::10.0.0.1", Reserved),
        ("64:ff9b::127.0.0.1", Reserved),
        ("64:ff9b:1::1", Reserved),
        ("100::1", Reserved),
        ("2001::1", Reserved),
        // Teredo: server 1.1.1.1, client 127.0.0.1, then 8.8.8.8.
        ("2001:0:101:101:0:0:80ff:fffe", Reserved),
        ("2001:0:101:101:0:0:f7f7:f7f7", Public),
        ("2001:0:a9fe:a9fe:0:0:f7f7:f7f7", LinkLocal),
        ("2001:10::1", Reserved),
        ("2001:db8::1", Reserved),
        ("2001:4860:4860::8888", Public),
        ("2002:7f00:1::1", Reserved),
        ("2002:a9fe:a9fe::1", LinkLocal),
        ("2002:101:101::1", Public),
        ("2606:4700::1111", Public),
        ("3fff::1", Reserved),
        ("4000::1", Reserved),
        ("5f00::1", Reserved),
        ("fc00::1", Private),
        ("fd00::9", Private),
        ("fd00:ec2::254", Metadata),
        ("fd20:ce::254", Metadata),
        ("fd00:42::42", Metadata),
        ("fd00:c1::a9fe:a9fe", Metadata),
        ("fd00:42::43", Private),
        ("fd00:c1::1", Private),
        ("fe80::9", LinkLocal),
        ("febf::1", LinkLocal),
        ("fec0::1", Private),
        ("ff02::1", Multicast),
    ] {
        assert_eq!(class(address.parse().unwrap()), expected, "{address}");
    }
}

/// SSRF-01: whatever the spelling, the address that is meant is the one that is judged.
#[test]
fn disguised_spellings_of_forbidden_hosts_are_seen_through() {
    for (spelling, expected) in [
        ("2130706433", Loopback),
        ("0x7f000001", Loopback),
        ("0x7f.1", Loopback),
        ("0177.0.0.1", Loopback),
        ("127.1", Loopback),
        ("127.0.1", Loopback),
        ("127.0.0.1.", Loopback),
        ("1\u{ff12}7.0.0.1", Loopback),
        ("127\u{3002}0\u{3002}0\u{3002}1", Loopback),
        ("%31%32%37.0.0.1", Loopback),
        ("127.0\t.0.1", Loopback),
        ("0", Unspecified),
        ("2852039166", LinkLocal),
        ("0xa9fea9fe", LinkLocal),
        ("0251.0376.0251.0376", LinkLocal),
        ("169.254.43518", LinkLocal),
        ("[::ffff:a9fe:a9fe]", LinkLocal),
        ("[::ffff:7f00:1]", Loopback),
        ("[0:0:0:0:0:0:0:1]", Loopback),
        ("[::]", Unspecified),
        ("[64:ff9b::a9fe:a9fe]", LinkLocal),
    ] {
        let url = Url::parse(&format!("https://{spelling}/")).unwrap();
        let address = match url.host().unwrap() {
            Host::Ipv4(address) => IpAddr::from(address),
            Host::Ipv6(address) => IpAddr::from(address),
            Host::Domain(name) => panic!("{spelling} stayed a name: {name}"),
        };
        assert_eq!(class(address), expected, "{spelling}");
    }
}

#[test]
fn link_local_and_metadata_are_nobodys_destination() {
    for destination in [
        Destination::Operator {
            allow_insecure_http: true,
        },
        Destination::Untrusted {
            allow_loopback: true,
        },
    ] {
        for refused in [LinkLocal, Metadata, Multicast, Unspecified, Reserved] {
            assert!(!destination.admits(true, refused), "{refused:?}");
        }
    }
}

#[test]
fn plain_http_is_for_loopback_unless_the_operator_accepted_it_by_name() {
    let strict = Destination::Operator {
        allow_insecure_http: false,
    };
    assert!(strict.admits(false, Loopback));
    assert!(!strict.admits(false, Private));
    assert!(!strict.admits(false, Public));
    assert!(strict.admits(true, Private));
    let lax = Destination::Operator {
        allow_insecure_http: true,
    };
    assert!(lax.admits(false, Private));
    let stranger = Destination::Untrusted {
        allow_loopback: true,
    };
    assert!(!stranger.admits(false, Public));
    assert!(!stranger.admits(true, Private));
    assert!(stranger.admits(false, Loopback));
}

#[test]
fn metadata_names_are_known_whatever_their_case_or_final_dot() {
    assert!(is_metadata_name("Metadata.Google.Internal."));
    assert!(!is_metadata_name("metadata.example.com"));
}

#[test]
fn localhost_is_loopback_and_names_that_only_look_like_it_are_not() {
    for (url, expected) in [
        ("http://localhost:8080/", true),
        ("http://localhost./", true),
        ("http://127.9.9.9/", true),
        ("http://[::1]/", true),
        ("http://localhost.example.com/", false),
        ("http://127.0.0.1.nip.test/", false),
        ("http://10.0.0.1/", false),
    ] {
        assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
    }
}
