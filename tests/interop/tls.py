# SPDX-License-Identifier: BSD-2-Clause
"""Certificates by certtool, as an administrator makes them."""

import pathlib
import subprocess

CA = 'cn = "Test authority"\nca\ncert_signing_key\nexpiration_days = 2\n'
KEPT = "expiration_days = 2\n"
EXPIRED = ('activation_date = "2020-01-01 00:00:00"\n'
           'expiration_date = "2020-02-01 00:00:00"\n')


def certtool(*words):
    subprocess.run(["certtool", "--outfile", words[-1], *words[:-1]],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Authority:
    """Makes folders as --tls-certificates takes them."""

    def __init__(self, base, name):
        self.folder = pathlib.Path(base) / name
        self.folder.mkdir()
        self.key, self.cert = self.folder / "ca.key", self.folder / "ca.pem"
        certtool("--generate-privkey", "--key-type=ecdsa", self.key)
        self._sign(CA, self.cert, "--generate-self-signed", "--load-privkey",
                   self.key)

    def _sign(self, text, out, *words):
        template = self.folder / "template"
        template.write_text(text, encoding="ascii")
        certtool("--template", template, *words, out)

    def certify(self, folder, role, name, days=KEPT):
        """FOLDER gets the certificate of a "server" or a "client"."""
        key = folder / (role + "-key.pem")
        certtool("--generate-privkey", "--key-type=ecdsa", key)
        purpose = "tls_www_" + role
        self._sign('cn = "%s"\ndns_name = "%s"\nsigning_key\n%s\n%s' % (
            name, name, purpose, days), folder / (role + "-cert.pem"),
            "--generate-certificate", "--load-privkey", key,
            "--load-ca-certificate", self.cert, "--load-ca-privkey", self.key)

    def make(self, name, *roles, **names):
        """A folder; roles: those that are in it, by the name localhost."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "ca-cert.pem").write_bytes(self.cert.read_bytes())
        for role in roles:
            self.certify(folder, role, "localhost", **names)
        return folder
