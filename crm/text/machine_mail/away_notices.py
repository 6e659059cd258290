"""Away notices and other automatic replies that only their words give away, in the languages of the quote parser.

A person may write "Out of the office next week, please call". So a subject counts only where nothing but the subject of
the answered email follows it, or where the text reads like a notice, too.
"""

import re

MAX_NOTICE_LENGTH = 1_500
# Titles that only programs write …
AUTOMATIC_TITLES = (
    r"auto(?:matic|mated)?[- ]?(?:reply|response|responder|respons(?:e|ding)?)|autoreply|autorespon\w*"
    r"|(?:out[- ]of[- ](?:the )?office|vacation) (?:auto[- ]?)?(?:reply|response|auto[- ]?responder)"
    r"|automatische (?:antwort|abwesenheitsnotiz|rückmeldung)|abwesenheits(?:notiz|assistent)"
    r"|réponse automatique|respuesta autom[áa]tica|risposta automatica|resposta autom[áa]tica"
    r"|automatisch(?:e)? (?:antwoord|beantwoording|reactie)|afwezigheidsassistent"
    r"|autosvar|automatisk(?:t)? svar|fraværsassistent|automaattinen vastaus|automatick[áa] odpověď"
    r"|automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|автоответ(?:чик)?|автоматический ответ"
    r"|автоматична відповідь|otomatik (?:yanıt|cevap)|自動応答|自動返信|自动(?:答复|回复)|自動(?:回覆|答覆)"
    r"|자동 ?(?:회신|응답)"
)
# … and titles that a person may use, too.
AWAY_TITLES = (
    r"out[- ]of[- ](?:the )?office(?: notification| notice| message)?|ooo|vacation (?:notice|message)"
    r"|away (?:from (?:the|my) (?:office|desk|mail|e-?mail)|message|notice|until)|absence (?:notice|notification)"
    r"|on (?:annual leave|vacation|holiday)"
    r"|abwesenheits(?:nachricht|meldung|benachrichtigung)|abwesend|abwesenheit|nicht im (?:büro|haus)|urlaubsnotiz"
    r"|absence(?: du bureau)?|absent(?:e)?(?: du bureau)?|message d['’]absence|notification d['’]absence"
    r"|fuera de (?:la )?oficina|ausente|ausencia|fuori (?:sede|ufficio)|assente|assenza"
    r"|afwezig(?:heids(?:melding|bericht)|heid)?|niet aanwezig|fora do escrit[óo]rio|aus[êe]ncia"
    r"|frånvaro(?:meddelande|besked)?|ej på plats|frånvarande|fravær(?:smelding|sbesked)?|ikke på kontoret"
    r"|ikke til stede|ude af kontoret|poissa(?:oloilmoitus| toimistosta)?|mimo kancelář|nepřítomnost"
    r"|poza biurem|nieobecność|нет на месте|отсутствую|вне офиса|ofis dışında|ofiste değil"
    r"|不在(?:通知|連絡|のお知らせ)?|不在办公室|外出(?:通知)?|휴가 ?중|부재 ?중"
)
ANSWERED_SUBJECT = r"\s*(?:$|[:：\]）)])"
AUTOMATIC_SUBJECT = re.compile(rf"^[\s\[(*]*(?:{AUTOMATIC_TITLES})(?:{ANSWERED_SUBJECT}|\s*[-–—])", re.IGNORECASE)
AWAY_SUBJECT = re.compile(rf"^[\s\[(*]*(?:{AWAY_TITLES}){ANSWERED_SUBJECT}", re.IGNORECASE)
AWAY_WORDS = re.compile(rf"(?<!\w)(?:{AWAY_TITLES})(?!\w)", re.IGNORECASE)
QUESTION = re.compile(r"[?？]")
# The writer wants something of the reader, which no program does.
REQUEST = re.compile(r"\b(?:call|ring|phone|send|let|give|get back to|tell) (?:me|us)\b", re.IGNORECASE)
# The writer is away …
ABSENCE = re.compile(
    r"\b(?:i|we)(?:['’]m| am| will be|['’]ll be| are)?\s(?:currently |presently "
    r"|now )?(?:be )?(?:out of (?:the |my )?office"
    r"|away (?:from|until|on|till)|on (?:annual |maternity |paternity |parental |sick )?(?:leave|vacation|holiday)"
    r"|travell?ing|not in the office|away)\b|\bout of (?:the )?office (?:until|till|from|and)\b"
    r"|\b(?:no longer|not) (?:with|at|employed (?:by|with|at)) (?:the|this|our) (?:company|firm|agency|office)\b"
    r"|(?:bin|sind) (?:\w+ ){0,4}(?:nicht im (?:büro|haus)|abwesend|im urlaub|außer haus|nicht erreichbar"
    r"|in elternzeit)"
    r"|je (?:suis|serai) (?:actuellement |en ce moment )?(?:absent|en congé|en vacances|en déplacement|hors du bureau)"
    r"|(?:estoy|estaré|me encuentro) (?:\w+ ){0,2}(?:fuera de (?:la )?oficina|de vacaciones|ausente)"
    r"|(?:sono|sarò) (?:\w+ ){0,2}(?:fuori (?:sede|ufficio)|assente|in ferie)"
    r"|(?:ik ben|ben ik) (?:\w+ ){0,4}(?:afwezig|niet aanwezig|met vakantie|op vakantie|niet op kantoor)"
    r"|(?:estou|estarei) (?:\w+ ){0,2}(?:fora do escrit[óo]rio|de férias|ausente)"
    r"|jag är (?:\w+ ){0,3}(?:frånvarande|på semester|inte på kontoret|ledig|bortrest)"
    r"|jeg er (?:\w+ ){0,3}(?:fraværende|på ferie|ikke på kontoret|på kurs|bortrejst|tilbage|tilbake)"
    r"|olen (?:\w+ ){0,3}(?:lomalla|poissa|matkoilla)|jsem (?:\w+ ){0,3}(?:mimo kancelář|na dovolené|nepřítom)"
    r"|(?:jestem|przebywam|będę) (?:\w+ ){0,3}(?:nieobecn|poza biurem|na urlopie)"
    r"|(?:я )?(?:нахожусь|буду|сейчас|отсутствую)(?: \w+){0,3} ?(?:в отпуске|вне офиса|отсутств|в командировке)"
    r"|(?:ofis dışındayım|izindeyim|yıllık izin)|不在に?(?:して|と)|休暇(?:中|を)|出張(?:中|で)"
    r"|(?:正在|目前)?(?:休假|出差|外出|不在办公室)"
    r"|부재 ?중|휴가 ?중|출장 ?중",
    re.IGNORECASE,
)
# … and says when the answer comes, or where to turn meanwhile.
RETURN = re.compile(
    r"\b(?:return(?:ing)?|be back|back (?:on|in|at))\b|\bupon my return|\blimited (?:access|connectivity)"
    r"|\b(?:no|without|not have|little) access to (?:my )?e-?mail|\bwill (?:respond|reply|answer|get back)"
    r"|\b(?:urgent|emergenc\w+|immediate (?:assistance|help|attention))\b|\bin my absence\b|\bplease (?:contact"
    r"|call|write to) (?!me\b|us\b)"
    r"|wieder (?:erreichbar|im büro|da|zurück)|ab (?:dem )?\d|dringende[nrs]?|vertretung|nicht weitergeleitet"
    r"|de retour|retour le|en cas d['’]urgence|urgen(?:t|ce|te|za)|volver[ée]|regres|regreso|rientr|torn(?:o|erò)"
    r"|terug|dringend|spoed|retorn|volt(?:o|arei)|tillbaka|åter|tilbage|tilbake|haste|brådskande|takaisin"
    r"|palaan|kiireellis"
    r"|vrátím|zpět|naléhav|wracam|wrócę|piln|верн|срочн|dönece|acil|戻り|緊急|至急|返回|回来|紧急|급한|복귀|긴급",
    re.IGNORECASE,
)


def is_automatic_subject(subject: str) -> bool:
    """Return whether `subject` is one that only programs write, alone or before the answered subject."""
    return bool(AUTOMATIC_SUBJECT.search(subject))


def names_absence(subject: str) -> bool:
    """Return whether `subject` may be that of an away notice; its text decides."""
    return bool(AWAY_WORDS.search(subject) or AWAY_SUBJECT.search(subject))


def is_away_notice(subject: str, own_words: str) -> bool:
    """Return whether `subject` and the sender's own words together read like an away notice.

    One that asks for something is a person's: a notice wants nothing of its reader.
    """
    words = own_words[:MAX_NOTICE_LENGTH]
    if QUESTION.search(words) or QUESTION.search(subject):
        return False
    is_absent, returns = bool(ABSENCE.search(words)), bool(RETURN.search(words))
    if AWAY_SUBJECT.search(subject):
        return is_absent or returns or not words.strip()
    return is_absent and returns and bool(AWAY_WORDS.search(subject)) and not REQUEST.search(f"{subject}\n{words}")
