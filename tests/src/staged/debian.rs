//! Debian's web servers, as they are installed.

use std::path::Path;

use super::Stage;

/// What `systemctl restart apache2` does by the unit that Debian has, where there is no systemd.
const SYSTEMCTL: &str = "#!/bin/sh -e\n\
    [ \"$*\" = 'restart apache2' ]\n\
    apachectl stop\n\
    while [ -e /run/apache2/apache2.pid ]; do sleep 0.1; done\n\
    exec apachectl start\n";

/// Tells what is missing where they are not installed as Debian does it.
#[must_use]
pub fn are_installed() -> Option<String> {
    let signs = ["/usr/sbin/apache2", "/etc/apache2/mods-enabled/mpm_event.load", "/etc/nginx/nginx.conf"];
    let missing = signs.iter().find(|sign| !Path::new(sign).exists());
    missing.map(|sign| format!("needs the Debian packages apache2 and nginx-light: there is no {sign}"))
}

/// Adds a file of the site to httpd's configuration.
pub fn site(stage: &Stage, lines: &str) {
    std::fs::write(stage.file("/etc/apache2/conf-available/a-site.conf"), lines).unwrap();
    stage.types("a2enconf a-site");
}

/// Starts httpd.
pub fn httpd(stage: &Stage) {
    let systemctl = stage.file("/mnt/bin/systemctl");
    std::fs::write(&systemctl, SYSTEMCTL).unwrap();
    stage.types("chmod 755 /mnt/bin/systemctl; apachectl start");
}

/// Starts nginx with a line of the site's in its configuration.
pub fn nginx(stage: &Stage, line: &str) {
    let file = stage.file("/etc/nginx/nginx.conf");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = text.replace("sendfile on;", &format!("sendfile on;\n{line}"));
    assert_ne!(text, changed);
    std::fs::write(file, changed).unwrap();
    stage.types("nginx -t && nginx");
}
