"""What the words of an email say about who wrote it: a mail server, an absent person's program, a mailing, spam."""

import pytest

from crm.text.machine_mail.away_notices import is_automatic_subject, is_away_notice
from crm.text.machine_mail.bounces import is_daemon, reads_like_bounce, reads_like_delay
from crm.text.machine_mail.bulk import has_bulk_footer
from crm.text.machine_mail.spam import MANNER_RULES, reads_like_spam, spam_score


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "Automatic reply: x",
            "Autoreply",
            "Out of Office AutoReply: Offer",
            "Automatische Antwort: x",
        ),
        *(
            "Abwesenheitsnotiz: x",
            "Réponse automatique : Offre",
            "Respuesta automática: Oferta",
            "Autosvar: x",
        ),
        *("Risposta automatica: Offerta", "Automatisch antwoord: Offerte", "Resposta automática: Proposta"),
        *("Automatiskt svar: Offert", "Automaattinen vastaus: Tarjous", "Automatická odpověď: Nabídka"),
        *("Odpowiedź automatyczna: Oferta", "Автоматический ответ: Предложение", "Otomatik Yanıt: Teklif"),
        *("自動応答: 見積もり", "自动答复: 报价", "자동 회신: 견적"),
    ],
)
def test_title_says_that_a_program_answered(subject):
    assert is_automatic_subject(subject)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Out of office: Certificate", ""),
        ("Out of office", "I am away until Monday and will answer then."),
        ("Away until May 5", "I am currently away. I will have limited access to email."),
        ("Abwesend", "Ich bin bis Freitag nicht im Büro. In dringenden Fällen wenden Sie sich an Frau Roe."),
        ("Absence du bureau", "Je suis absent jusqu'au 5 mai, de retour le 6."),
        ("Fuera de la oficina", "Estoy de vacaciones. Vuelvo el lunes, mi regreso es el 5."),
        ("Fuori ufficio", "Sono in ferie, rientro il 5 maggio."),
        ("Afwezig", "Ik ben op vakantie. Ik ben maandag terug."),
        ("Ausência", "Estou de férias e retorno na segunda."),
        ("Frånvaro", "Jag är på semester och tillbaka på måndag."),
        ("Fravær: Certifikat", "Jeg er tilbage mandag."),
        ("Poissaoloilmoitus", "Olen lomalla, palaan maanantaina."),
        ("Nepřítomnost", "Jsem na dovolené, vrátím se v pondělí."),
        ("Nieobecność", "Jestem na urlopie, wrócę w poniedziałek."),
        ("Отсутствую", "Я в отпуске, вернусь в понедельник."),
        ("不在のお知らせ", "出張中です。5日に戻ります。"),
        ("外出", "我正在出差，5日返回。"),
    ],
)
def test_away_notice_is_recognised(subject, words):
    assert is_away_notice(subject, words)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (
            "Out of the office next week, please call",
            "I will be out of the office next week. Please call me.",
        ),
        ("Out of the office next week", "I leave on Friday. Can you call me about the van before then?"),
        ("Out of office", "I am away from Monday. Shall we sign before?"),
        ("Out of office from May 5", "I am away until May 9 and back on May 10. Send me the form before that."),
        ("Absence: sick note", "The note is attached."),
        ("Holiday home", "We are away until May and will be back in June. Please insure it."),
        ("Re: Offer", "I am out of the office until Monday and will answer then."),
        ("Urlaub im Juni", "Wir sind im Urlaub. Brauchen wir eine Police?"),
    ],
)
def test_person_who_writes_about_an_absence_is_no_notice(subject, words):
    assert not is_automatic_subject(subject)
    assert not is_away_notice(subject, words)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Undelivered Mail Returned to Sender", ""),
        ("Unzustellbar: Angebot", ""),
        ("Non remis : Offre", ""),
        ("No se puede entregar: Oferta", ""),
        ("Onbestelbaar: Offerte", ""),
        ("Niedostarczalne: Oferta", ""),
        ("Не удается доставить: Offer", ""),
        ("配信不能", ""),
        ("Re: Offer", "<a@b.example>: host mx.b.example said: 550 5.1.1 User unknown"),
    ],
)
def test_delivery_report_reads_like_bounce(subject, text):
    assert reads_like_bounce(subject, text)


def test_letter_about_a_cheque_is_no_delivery_report():
    assert not reads_like_bounce("Our address has changed", "The new one is below; please update the policy.")


def test_name_of_a_mail_server_is_told_from_a_persons():
    assert all(map(is_daemon, ["MAILER-DAEMON (Mail Delivery System)", "Mailer Daemon <>", "mail-daemon@x.example"]))
    assert not any(map(is_daemon, ["Daemon Roe <daemon@x.example>", "postmaster@x.example", "Mail Room <m@x.example>"]))


def test_status_part_decides_whether_delivery_only_waits():
    assert reads_like_delay("Warning: message delayed 24 hours", "")
    assert reads_like_delay("Notice", "THIS IS A WARNING MESSAGE ONLY")
    assert reads_like_delay("Delivery Status Notification", "", b"Action: delayed\nStatus: 4.4.1\n")
    assert not reads_like_delay("Delivery delayed", "", b"Action: failed\nStatus: 5.1.1\n")


@pytest.mark.parametrize(
    "text",
    [
        "News of March.\n\nTo unsubscribe, click the link below.",
        "News.\n\nUnsubscribe | View in browser",
        "If you no longer wish to receive our offers, reply with REMOVE in the subject.",
        "You are receiving this email because you subscribed.",
        "Neues im März.\nHier abmelden",
        "Pour ne plus recevoir nos messages",
        "配信停止はこちら",
    ],
)
def test_mailing_says_how_to_leave_it(text):
    assert has_bulk_footer(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please unsubscribe me from your newsletter.",
        "I want to be removed from your list.",
        "How do I unsubscribe?",
        "Please remove the old car from our policy.",
        "You are receiving the signed form today.",
    ],
)
def test_person_who_wants_to_leave_a_mailing_is_a_person(text):
    assert not has_bulk_footer(text)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Make money now", "Make extra money, $5,000 per week, 100% free! Click here!!!"),
        (
            "Assistance",
            "Dear friend, I seek your utmost confidence to transfer this fund.",
        ),
        ("Cheap meds", "Discount prescriptions, Viagra and more. Order now, satisfaction guaranteed."),
        ("Rank first", "SEO services: first page of Google. Limited time offer, act now."),
    ],
)
def test_offer_in_the_manner_of_spam_is_spam(subject, text):
    assert reads_like_spam(subject, text)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (
            "Free quote",
            "A free quote, no obligation? I work from home and need home-based business cover!!!",
        ),
        (
            "Liability",
            "We need a million dollars of liability cover at your lowest rate. Act now please.",
        ),
        ("Pharmacy", "We run a pharmacy that sells generic prescriptions. What does cover for stock cost?"),
        ("Debt", "My next of kin is my sister. Is the life policy paid to her?"),
        ("Casino", "We operate an online casino and look for cover of our servers."),
        ("Spam", "A customer complains of viagra spam from our address. Are we covered?"),
        ("Hacked", "Our server sent viagra and porn to all customers. Does the policy pay?"),
    ],
)
def test_prospect_is_no_spam(subject, text):
    assert not reads_like_spam(subject, text)


def test_manner_alone_is_never_spam():
    everything = "Act now! Special offer, 100% free, risk-free, money back, free trial, click here, as seen on TV $$$"
    assert sum(bool(rule.pattern.search(everything)) for rule in MANNER_RULES) > 5
    assert spam_score("HURRY, LIMITED TIME", everything) == 0
