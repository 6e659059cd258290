"""Emails that go to many readers: they tell each reader how to be taken off a list, in many languages."""

import re

MAX_FOOTER_SOURCE = 50_000
# Each sentence below has one of these; a paragraph without them is not searched.
STEMS = (
    *("unsubscri", "remov", "opt out", "opt-out", "optout", "receiv", "browser", "web page", "webpage", "preference"),
    *("subscription", "settings", "mailing", "future", "online", "subscribed", "are sent", "been sent", "getting"),
    *("abmeld", "abzumeld", "abbestell", "désabon", "désinscri", "ne plus recevoir", "de baja", "suscripci"),
    *("no recibir", "cancellar", "iscrizione", "non ricevere", "uitschrij", "afmeld", "inscrição", "assinatura"),
    *("descadastr", "prenumer", "avregistr", "meld deg av", "tilaus", "odhlásit", "wypisać", "rezygn", "отписат"),
    *("відписат", "abonelik", "配信", "退订", "取消订阅", "수신"),
)
# In lower case. Each says it to the reader. "Please unsubscribe me" is what a person writes to us.
BULK_FOOTER = re.compile(
    r"(?:^|[.!?:;,|*>()\[\]~=_-])[ \t]*(?:to (?:easily |instantly |permanently )?(?:unsubscribe|opt[- ]?out"
    r"|(?:be (?:taken|removed)|remove (?:yourself|your (?:\w+ )?(?:address|name"
    r"|e-?mail)))\b[^.!?\n]{0,30}\b(?:from|off)\b"
    r"|be (?:permanently )?removed\b|remove yourself|stop receiving|cancel (?:your|this) (?:subscription|mailing)"
    r"|(?:change|manage|update) your (?:e-?mail |subscription |newsletter )?(?:preferences|subscription|settings))"
    r"|unsubscribe[ \t]*(?:$|[:|(\[<]|here\b|now\b|at\b|from (?:this|our|these)\b|instantly\b|by\b|link\b"
    r"|information\b)"
    r"|(?:removal|unsubscribe) (?:instructions|link|requests?)\b)"
    r"|\bclick (?:here|below|on (?:the|this) link|the link(?: below)?)[^.!?\n]{0,40}(?:unsubscribe|opt[- ]?out"
    r"|be removed|remov)"
    r"|\bif you (?:do not|don['’]t|no longer|would (?:like|prefer)|wish|want|prefer|feel|have received|received"
    r"|are not)\b"
    r"[^.!?]{0,120}\b(?:unsubscribe|removed?\b|remov(?:e|ing) (?:you|your)|opt[- ]?out|future (?:mailings"
    r"|e-?mails|offers)"
    r"|mailing list|receive (?:any )?(?:more|further|these|future|our))"
    r"|\b(?:reply|replying|respond|e-?mail|send|message|write|go to|visit"
    r"|with)\b[^.!?\n]{0,80}[\"'“‘]?\b(?:remove|unsubscribe)"
    r"\b[\"'”’]?[^.!?\n]{0,20}\b(?:in|as|on) (?:the )?(?:subject|title|body)"
    r"|\byou (?:are|were|have been|['’]re) (?:receiv\w+|getting|sent|subscribed)\b[^.!?]{0,60}\b(?:because|as a"
    r"|since|to our)"
    r"|\byou (?:will|may|can)[^.!?\n]{0,30}\b(?:be removed|unsubscribe|opt[- ]?out)\b"
    r"|\bview (?:this )?(?:message |e-?mail |newsletter )?(?:in|online|as) (?:your |a )?(?:browser|web ?page)"
    r"|\bvom newsletter abmelden|\bnewsletter (?:abbestellen|abmelden)|\bhier abmelden|\bum sich abzumelden"
    r"|\bse (?:désabonner|désinscrire)\b|\bvous désabonner|\bpour ne plus recevoir"
    r"|\bdarse de baja\b|\bcancelar (?:la |su )?suscripción|\bpara no recibir más"
    r"|\bcancellar(?:si|ti) dalla|\bannulla(?:re)? (?:l['’])?iscrizione|\bper non ricevere più"
    r"|\buitschrijven\b|\bafmelden voor\b|\bcancelar (?:a )?(?:inscrição|assinatura)|\bdescadastr"
    r"|\bavsluta prenumeration|\bavregistrera dig|\bafmeld (?:dig|nyhedsbrev)|\bmeld deg av|\bpäättää tilaus"
    r"|\bodhlásit (?:se |odběr)|\bwypisać się|\brezygnacj\w+ z (?:subskrypcji|newslettera)"
    r"|отписаться|відписатися|abonelikten çık|配信(?:停止|解除)|退订|取消订阅|수신 ?거부",
    re.MULTILINE,
)


def has_bulk_footer(text: str) -> bool:
    """Return whether `text` tells its reader how to leave the list it was sent to."""
    paragraphs = text[:MAX_FOOTER_SOURCE].lower().split("\n\n")
    return any(BULK_FOOTER.search(one) for one in paragraphs if any(stem in one for stem in STEMS))
