"""Free email domains: an address at one says nothing about the company of its owner."""

FREE_MAIL_DOMAIN_LIST = """
    126.com 163.com aim.com aol.co.uk aol.com aol.de att.net bellsouth.net bigfoot.com bluewin.ch bt.com
    btinternet.com charter.net comcast.net cox.net duck.com earthlink.net email.com eudoramail.com excite.com
    facebook.com fastmail.com fastmail.fm free.fr freenet.de freeuk.com frontier.com gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr
    hotmail.it hushmail.com icloud.com inbox.com juno.com laposte.net libero.it live.co.uk live.com live.de
    live.fr live.nl lycos.com mac.com mail.com mail.de mail.ru mailbox.org mailcity.com me.com msn.com naver.com
    netscape.net netzero.net ntlworld.com orange.fr outlook.com outlook.de outlook.es outlook.fr pm.me posteo.de
    proton.me protonmail.com qq.com rediffmail.com roadrunner.com rocketmail.com rr.com sbcglobal.net sfr.fr
    sky.com skynet.be spectrum.net t-online.de talktalk.net telenet.be terra.com.br tiscali.it tutanota.com
    uol.com.br usa.net verizon.net virgilio.it virginmedia.com wanadoo.fr web.de windstream.net xs4all.nl
    yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr
    yahoo.it yandex.com yandex.ru ymail.com zoho.com
"""
FREE_MAIL_DOMAINS = frozenset(FREE_MAIL_DOMAIN_LIST.split())


def business_domain(address: str) -> str:
    """Return the company domain of an email `address`, in lower case; empty for free email and where there is no @."""
    domain = address.rpartition("@")[2].strip().lower() if "@" in address else ""
    return "" if domain in FREE_MAIL_DOMAINS else domain
