"""
The own host name resolves to the node's advertised address, so that helper classes which build log paths from
`socket.gethostbyname(socket.gethostname())` land in the folder that carries that address.
"""
import socket


def advertise(address):
    """Patches `gethostbyname`, `gethostbyname_ex` and `getaddrinfo` of the `socket` module for the own name only."""
    own = {socket.gethostname().lower()}
    by_name, by_name_ex, info = socket.gethostbyname, socket.gethostbyname_ex, socket.getaddrinfo

    def is_own(host):
        if isinstance(host, (bytes, bytearray)):
            host = host.decode("ascii", "replace")
        return isinstance(host, str) and host.lower() in own

    def gethostbyname(hostname):
        return address if is_own(hostname) else by_name(hostname)

    def gethostbyname_ex(hostname):
        return (hostname, [], [address]) if is_own(hostname) else by_name_ex(hostname)

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        if is_own(host):
            try:
                return info(address, port, family, type, proto, flags)
            except OSError:
                pass  # asked for another family than the address has
        return info(host, port, family, type, proto, flags)

    socket.gethostbyname = gethostbyname
    socket.gethostbyname_ex = gethostbyname_ex
    socket.getaddrinfo = getaddrinfo
