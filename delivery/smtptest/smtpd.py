"""A mail server on loopback that demands STARTTLS and AUTH (Debian: python3-aiosmtpd).

usage: smtpd.py CERTIFICATE KEY USER PASSWORD

Prints {"port": N}, then a line of JSON for each mail that it accepts. Ends when
its standard input does.
"""

import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Keeper:
    async def handle_DATA(self, server, session, envelope):
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "authenticated": session.authenticated,
            "data": base64.b64encode(envelope.original_content).decode(),
        }), flush=True)
        return "250 2.0.0 kept"


def authenticate(user, password):
    def check(server, session, envelope, mechanism, data):
        known = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=data == known, handled=False)
    return check


async def main(certificate, key, user, password):
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Keeper(), hostname="mail.test", tls_context=tls, require_starttls=True,
                     auth_required=True, authenticator=authenticate(user, password), loop=loop),
        "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main(*sys.argv[1:]))
