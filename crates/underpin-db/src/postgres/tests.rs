use super::*;

fn parse(url: &str, variables: &[(&str, &str)]) -> Result<Server, String> {
    let variable = |name: &str| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    Server::parse(url, &Environment { variable: &variable })
}

#[test]
fn modes_and_roots_that_the_driver_refuses_are_understood() {
    let server =
        parse("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fca.pem", &[]).unwrap();

    assert_eq!(server.tls.mode, Mode::VerifyFull);
    assert_eq!(server.tls.root.as_deref(), Some("/ca.pem"));
    assert_eq!(server.describe(), "u@h:5432/d");
}

#[test]
fn several_hosts_and_sockets_are_understood() {
    let server = parse("postgres://u@a:1,b:2/d?target_session_attrs=read-write", &[]).unwrap();
    assert_eq!(server.describe(), "u@a:1,b:2/d");

    let server = parse("postgres://u@%2Frun%2Fpg/d", &[]).unwrap();
    assert!(server.is_local());
}

#[test]
fn the_environment_fills_in_what_the_url_leaves_out() {
    let variables = [
        ("PGHOST", "h"),
        ("PGPORT", "7"),
        ("PGUSER", "u"),
        ("PGPASSWORD", "secret"),
        ("PGDATABASE", "d"),
        ("PGSSLMODE", "disable"),
    ];
    let server = parse("postgres://", &variables).unwrap();

    assert_eq!(server.describe(), "u@h:7/d");
    assert_eq!(server.config.get_password(), Some(b"secret".as_slice()));
    assert_eq!(server.tls.mode, Mode::Disable);

    let server = parse("postgres://x:y@z:1/w?sslmode=require", &variables).unwrap();
    assert_eq!(server.describe(), "x@z:1/w");
    assert_eq!(server.config.get_password(), Some(b"y".as_slice()));
    assert_eq!(server.tls.mode, Mode::Require);
}

#[test]
fn the_environments_port_is_for_hosts_that_have_none() {
    for (url, described) in [
        ("postgres://u@h/d", "u@h:7/d"),
        ("postgres://u@a,b:2/d", "u@a:7,b:2/d"),
        ("postgres://u@[::1]/d", "u@[::1]:7/d"),
        ("postgres://u:a:b@h:1/d", "u@h:1/d"),
        ("postgres://u@h?sslmode=disable", "u@h:7/u"),
    ] {
        assert_eq!(parse(url, &[("PGPORT", "7")]).unwrap().describe(), described, "{url}");
    }
}

#[test]
fn wrong_settings_are_named() {
    for (url, variables, expected) in [
        ("postgres://h/d?sslmode=maybe", vec![], "`maybe`"),
        ("postgres://h:port/d", vec![], "port"),
        ("postgres://u:hunter@2secret@h/d", vec![], "`%40`"),
        ("postgres://u:hunter@2/secret@h/d", vec![], "`%40`"),
        ("postgres://h:1/d?u@r=ada&pass%zzrd=secret", vec![], "`%40`"),
        ("postgres://h?application_name=a@b&password=secret", vec![], "`%40`"),
        ("postgres://h/d&password=secret", vec![], "`?`"),
        ("postgres://h/]user=ada&password=secret", vec![], "`?`"),
        ("postgres://u:p@h/password=secret?sslmode=disable", vec![], "`?`"),
        ("postgres://h/d?no_such=1", vec![], "no_such"),
        ("postgres://h/d", vec![("PGPORT", "x")], "PGPORT"),
        ("postgres://h/d", vec![("PGCONNECT_TIMEOUT", "soon")], "PGCONNECT_TIMEOUT"),
    ] {
        let error = parse(url, &variables).err().unwrap_or_default();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn parameters_of_other_drivers_are_named_with_what_to_write_instead() {
    for (parameters, name, next) in [
        ("schema=secret", "schema", "options=-csearch_path%3D"),
        ("currentSchema=secret", "currentSchema", "options=-csearch_path%3D"),
        ("application_name=a&schema=secret", "schema", "options=-csearch_path%3D"),
        ("%73chema=secret", "schema", "options=-csearch_path%3D"),
        ("ssl=true", "ssl", "sslmode=require"),
        ("pgbouncer=true", "pgbouncer", "a pooler is noticed without it"),
        ("async_fallback=True", "async_fallback", "nothing is needed instead"),
        ("sslkey=/secret", "sslkey", "client certificates, which are not supported"),
        ("service=secret", "service", "service files, which are not supported"),
        ("unheard_of=secret", "unheard_of", "may be another driver's: leave it out"),
    ] {
        let error = parse(&format!("postgres://u:secret@h/d?{parameters}"), &[]).err().unwrap();
        assert!(error.contains(&format!("parameter `{name}`")), "{parameters}: {error}");
        assert!(error.contains(next), "{parameters}: {error}");
        assert!(!error.contains("secret"), "{parameters}: {error}");
    }
}

/// What is told to write instead of `schema=` is understood.
#[test]
fn a_schema_as_it_is_to_be_written_is_the_path() {
    let server = parse("postgres://u@h/d?options=-csearch_path%3Dbot", &[]).unwrap();

    assert_eq!(server.path().as_deref(), Some("bot"));
}

#[test]
fn a_parameter_that_may_be_part_of_a_password_is_not_named() {
    for url in [
        "postgres://a@h?b:secret@h/d=1",
        "postgres://u:p@h/d?secret!=1",
        "postgres://u:a@h/d?secret=b@h/d",
    ] {
        let error = parse(url, &[]).err().unwrap();
        assert!(error.contains("a parameter is not known"), "{url}: {error}");
        assert!(!error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn the_password_file_is_searched_from_the_top() {
    let file = "# comment\nh:5432:d:u:first\n*:*:*:u:any\\:one\n*:*:*:*:last\n";

    for (wanted, password) in [
        (["h", "5432", "d", "u"], Some("first")),
        (["other", "5432", "d", "u"], Some("any:one")),
        (["h", "5432", "d", "v"], Some("last")),
    ] {
        assert_eq!(pgpass::search(file, wanted).as_deref(), password);
    }
    assert_eq!(pgpass::search("h:5432:d:u", ["h", "5432", "d", "u"]), None);
}
