"""Links: which are found in a text, the one host of each, and what is wrong with a link by itself."""

import pytest

from crm.text.links import (
    LinkTarget,
    extract_links,
    find_link_faults,
    find_link_targets,
    is_host_within,
    is_ip_address,
    is_web_link,
    link_host,
    web_origin,
)

HOSTS = {
    # The plain cases
    "https://ours.example/page?a=b#c": "ours.example",
    "ours.example/page": "ours.example",
    "www.ours.example": "ours.example",
    "https://www.www.ours.example": "www.ours.example",
    "https://www.com/": "www.com",
    "HTTPS://OURS.Example/": "ours.example",
    "ours.example:8080/x": "ours.example",
    "https://ours.example./": "ours.example",
    "//ours.example/x": "ours.example",
    "https:ours.example": "ours.example",
    "https:///ours.example/": "ours.example",
    "http://localhost:8000/": "localhost",
    # What stands before an @ is not the host
    "https://ours.example@evil.example/": "evil.example",
    "https://a@b@evil.example/": "evil.example",
    "https://ours.example:443@evil.example/": "evil.example",
    "https://ours.example%40evil.example/": "",
    # A browser takes a backslash for a slash. The policy read the first two as hosts below ours.example.
    "https://evil.example\\.ours.example/": "evil.example",
    "https://evil.example\\@ours.example/": "evil.example",
    "https:\\\\evil.example\\x": "evil.example",
    "\\\\evil.example\\x": "evil.example",
    # White space and control characters around and inside
    " \x00https://ours.example/\n": "ours.example",
    "https://ev\til.example/": "evil.example",
    "ht\ntps://evil.example/": "evil.example",
    "https://ours.example\u2028.evil.example/": "",
    "https://ours example/": "",
    # Other scripts. The policy compared the letters as written, the approval screen showed the standard of 2003.
    "https://m\u00fcller.example/": "xn--mller-kva.example",
    "https://M\u00dcLLER.example/": "xn--mller-kva.example",
    "https://fa\u00df.example/": "xn--fa-hia.example",
    "https://h\u0430rbour.example/": "xn--hrbour-3nf.example",
    "https://xn--mller-kva.example/": "xn--mller-kva.example",
    "https://\uff45vil.example/": "evil.example",
    "https://evil\u3002example/": "evil.example",
    "https://ev\u200bil.example/": "evil.example",
    "https://ev\u00adil.example/": "evil.example",
    "https://\U0001f600.example/": "xn--e28h.example",
    "https://our\u202es.example/": "",
    # Escapes in the host
    "https://evil%2eexample/": "evil.example",
    "https://evil.example%2f.ours.example/": "",
    "https://evil.example%5c.ours.example/": "",
    # Numbers
    "http://10.0.0.1/": "10.0.0.1",
    "http://2130706433/": "2130706433",
    "http://0x7f.1/": "0x7f.1",
    "http://[::1]:80/": "::1",
    "http://\uff11\uff12\uff17.0.0.1/": "127.0.0.1",
    # Markdown and markup around a link
    "https://ours.example](https://evil.example/": "",
    "https://evil.example'onclick=x": "",
    # No host
    "javascript:alert(1)": "",
    "data:text/html,x": "",
    "mailto:lee@ours.example": "",
    "file:///etc/passwd": "",
    "https://": "",
    "https://ours..example/": "",
    "https://.example/": "",
    "https://ours.example:port/": "",
    "http://[::1/": "",
    "": "",
    f"https://{'a' * 64}.example/": "",
}


@pytest.mark.parametrize(("link", "host"), HOSTS.items(), ids=map(ascii, HOSTS))
def test_link_has_the_host_that_a_browser_goes_to(link, host):
    assert link_host(link) == host


LINKS = {
    "Look at https://a.example/x, please.": ["https://a.example/x"],
    "See (www.a.example) and a.com/b?c=d!": ["www.a.example", "a.com/b?c=d"],
    "[https://ours.example](https://evil.example/x)": ["https://ours.example", "https://evil.example/x"],
    "[ours](https://evil.example/x) ![p](http://evil.example/p.png)": [
        "https://evil.example/x",
        "http://evil.example/p.png",
    ],
    "<a href='https://evil.example/x'>": ["https://evil.example/x"],
    "HTTPS://EVIL.EXAMPLE/X JavaScript:alert(1) data:text/html;x": [
        "HTTPS://EVIL.EXAMPLE/X",
        "JavaScript:alert(1",
        "data:text/html;x",
    ],
    "https:evil.example http:/evil.example https:\\\\evil.example": [
        "https:evil.example",
        "http:/evil.example",
        "https:\\\\evil.example",
    ],
    "ours.com\\.evil.com": ["ours.com\\.evil.com"],
    "10.0.0.1/x 10.0.0.1 http://[::1]/": ["10.0.0.1/x", "http://[::1]/"],
    # An email address is not a link, whether or not there are links beside it.
    "lee.to@ours.com office@www.ours.com https://a.example/": ["https://a.example/"],
    "evil.com/x@ours.com evil.com@ here": ["evil.com/x@ours.com", "evil.com"],
    "https://lee:secret@ours.example/": ["https://lee:secret@ours.example/"],
    "section 3.2, e.g. report.pdf at 9.30 a.m. on 12.11.2026...Thanks": [],
    "Use http: or https: as you like": [],
}


@pytest.mark.parametrize(("text", "links"), LINKS.items(), ids=LINKS)
def test_links_are_found_as_written(text, links):
    assert extract_links(text) == links


FAULTS = {
    "https://ours.example/offers/2026": [],
    "ours.example": [],
    "ftp://ours.example/x": ["is not an ordinary web address"],
    "mailto://ours.example/": ["is not an ordinary web address"],
    "javascript:alert(1)": ["is not an ordinary web address"],
    "https://ours.example%2f.evil.example/": ["is not an ordinary web address"],
    "https://lee@ours.example/": ["contains a name or password before its host"],
    "https://@ours.example/": ["contains a name or password before its host"],
    "http://10.1/": ["leads to an IP number instead of a host name"],
    "http://0x7f000001/": ["leads to an IP number instead of a host name"],
    "http://[::1]/": ["leads to an IP number instead of a host name"],
    "https://xn--hrbour-3nf.example/": ["leads to a host with letters that may look like others"],
    "https://h\u0430rbour.example/": ["leads to a host with letters that may look like others"],
    # Letters that a browser turns into ASCII are reported all the same.
    "https://\uff45vil.example/": ["leads to a host with letters that may look like others"],
    "https://bit.ly/3abc": ["is shortened and hides where it leads"],
    "https://www.bit.ly/3abc": ["is shortened and hides where it leads"],
    "https://ours.example/?policy=1": ["carries data"],
    "https://ours.example/#name=Lee": ["carries data"],
    "https://ours.example/a%3Db": ["carries data"],
    f"https://ours.example/{'x' * 130}": ["carries data"],
}


@pytest.mark.parametrize(("link", "faults"), FAULTS.items(), ids=map(ascii, FAULTS))
def test_faults_of_a_link_are_found(link, faults):
    assert find_link_faults(link) == faults


def test_subdomain_is_within_a_known_host_and_a_longer_name_is_not():
    hosts = {"ours.example"}
    assert is_host_within("ours.example", hosts)
    assert is_host_within("a.ours.example", hosts)
    assert not is_host_within("notours.example", hosts)
    assert not is_host_within("ours.example.evil.example", hosts)
    assert not is_host_within("", hosts)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "::1"])
def test_ip_number_is_recognised_however_it_is_written(host):
    assert is_ip_address(host)


@pytest.mark.parametrize("host", ["1and1.example", "4.example", "0xcafe.example", ""])
def test_host_name_with_digits_is_not_an_ip_number(host):
    assert not is_ip_address(host)


@pytest.mark.parametrize("url", ["https://ours.example/x", "http://127.0.0.1:8000/x", "HTTP://ours.example"])
def test_full_web_address_can_be_shown_as_a_link(url):
    assert is_web_link(url)


@pytest.mark.parametrize(
    "url", ["ours.example", "/inbox/", "javascript:alert(1)", " https://ours.example", "https://", "ftp://a.example", 7]
)
def test_anything_else_is_not_shown_as_a_link(url):
    assert not is_web_link(url)


def test_targets_of_the_links_in_a_content_are_listed_once():
    content = [
        ("Body", "https://m\u00fcller.example/ and javascript:alert(1)"),
        ("More", {"a": ["www.ours.example"] * 2}),
    ]
    assert find_link_targets(content) == [
        LinkTarget("https://m\u00fcller.example/", "xn--mller-kva.example"),
        LinkTarget("javascript:alert(1", ""),
        LinkTarget("www.ours.example", "ours.example"),
    ]
    assert len(find_link_targets([("Body", " ".join(f"https://h{n}.example/" for n in range(30)))])) == 20


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://www.Example.com/a?b#c", "https://www.example.com"),
        ("http://example.com:80", "http://example.com"),
        ("https://example.com:8443/", "https://example.com:8443"),
        ("HTTPS://münchen.example", "https://xn--mnchen-3ya.example"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://ours.example\\@evil.example/", "https://ours.example"),
        ("example.com", ""),
        ("null", ""),
        ("", ""),
        ("javascript:alert(1)", ""),
        ("ftp://example.com", ""),
    ],
)
def test_origin_is_written_as_browsers_write_it(url, origin):
    assert web_origin(url) == origin
