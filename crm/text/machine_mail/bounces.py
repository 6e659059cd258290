"""How mail servers report on the delivery of an email: their names, subjects and sentences, in many languages."""

import re

MAX_REPORT_LENGTH = 3_000
# Names that only mail servers send under, alone or as the local part of an address. A person may write as postmaster.
DAEMON_NAME = re.compile(
    r"\b(?:mail(?:er)?|smtp)[-_. ]?daemon\b|\bmail[-_. ]?deliver(?:y|er)?[-_. ](?:sub)?(?:system|service)\b"
    r"|\bMDaemon at\b|\b(?:double|null)-bounce@",
    re.IGNORECASE,
)
POSTMASTER_NAME = re.compile(
    r"\bpo{1,2}st[-_.]?master\b|\bmail (?:administrator|system|gateway)\b|\bmicrosoft outlook\b"
    r"|\bNDR administrator\b|\bInterScan\b|(?:^|<)bounces?(?:[-+.=][^@]*)?@|@sns\.amazonaws\.com\b",
    re.IGNORECASE,
)
BOUNCE_SUBJECT = re.compile(
    r"^\W*(?:undeliver|non[- ]?(?:delivery|remis|recapitabil)|mail delivery (?:failed|failure|system|subsystem)"
    r"|(?:mail )?delivery (?:status notification|status|notification|failure|failed|has failed|problem|report)"
    r"|returned (?:mail|to sender)|returning message|failure notice|failure delivery|failed (?:mail|delivery)"
    r"|mail (?:failed|failure|could not be delivered|system error|error)|message (?:could not|undeliverable|delivery)"
    r"|(?:your )?(?:message|mail|e-?mail) (?:could not be|cannot be|was not|wasn't) delivered"
    r"|permanent delivery failure"
    r"|warning: could not send|there was an error sending your mail|address not found"
    r"|unzustellbar|nicht zustellbar|zustellung(?:s?fehl|sstatus)|fehlgeschlagene zustellung"
    r"|non remis|échec de (?:la )?(?:remise|livraison|distribution)|notification d['’]état de remise"
    r"|no se puede entregar|no entregado|error de entrega|notificación de estado de entrega|devuelto"
    r"|impossibile recapitare|mancato recapito|notifica sullo stato del recapito"
    r"|onbestelbaar|niet bezorgd|bezorging mislukt|não é possível entregar|não entregue|falha na entrega"
    r"|det (?:gick|går) inte att leverera|går inte att leverera|kan ikke leveres|kunne ikke leveres|ikke leveret"
    r"|toimit(?:us|taminen) epäonnistui|ei voi toimittaa|nelze doručit|nedoručitelné|nedoručeno"
    r"|niedostarczal|nie można dostarczyć|niedostarczon|не удается доставить|недоставленное|не доставлено"
    r"|teslim edilemedi|iletilemedi|配信不能|配信エラー|配送不能|送信エラー|未送达|(?:系统)?退信|无法投递|無法傳遞|退回"
    r"|배달되지 않음|전송 실패|반송"
    r"|kézbesíthetetlen|sikertelen kézbesítés|nelivrabil|nu (?:a putut fi|se poate) livra|imposibil de livrat"
    r"|δεν είναι δυνατή η παράδοση|αδύνατη η παράδοση|לא ניתן ל(?:מסירה|מסור)|не вдалося доставити|недоставлен"
    r"|nedoručiteľné|nije isporučeno|ni mogoče dostaviti|недоставено|تعذر (?:ال)?تسليم|không gửi được)"
    r"|メールエラー通知|メッセージを配信できません",
    re.IGNORECASE,
)
BOUNCE_SENTENCE = re.compile(
    r"\b(?:could|can) ?not be delivered|\bcouldn['’]t be delivered|\bwas(?:n['’]t| not) delivered|\bundeliverable"
    r"|\bdelivery (?:to|of) [^.!?]{0,120}\bfailed|\bdelivery has failed|\bdelivery problems|\bunable to deliver"
    r"|\bthis is the mail system at|\bqmail-send program|\bcreated automatically by mail delivery software"
    r"|\b(?:user|recipient|mailbox|address) (?:is )?(?:unknown|not found|unavailable|full)\b|\bunknown user\b"
    r"|[\"']notificationType[\"']\s*:\s*[\"']Bounce[\"']"
    r"|\bno such (?:user|mailbox|recipient)\b|\b5\d\d[ -]#?5\.\d{1,3}\.\d{1,3}\b|<<< 5\d\d "
    r"|konnte nicht zugestellt werden|n['’]a pas pu être (?:remis|distribué|livré)|no se pudo entregar"
    r"|impossibile (?:recapitare|consegnare)|kon niet worden (?:bezorgd|afgeleverd)|não pôde ser entregue"
    r"|kunde inte levereras|kunne ikke leveres|nie można (?:było )?dostarczyć|nelze doručit|не удалось доставить",
    re.IGNORECASE,
)
DELAY_SUBJECT = re.compile(
    r"\bdelay(?:ed)?\b|still being retried|^warning: (?:could not send|message)|verzögert|retardée?|différé|retrasad"
    r"|ritardo|vertraag|atrasad|försena|forsinke|opožděn|opóźni|задерж|遅延|延迟|지연",
    re.IGNORECASE,
)
DELAY_SENTENCE = re.compile(
    r"this is a warning message only|\bno action is required on your part|\bstill being retried"
    r"|\bwill (?:keep trying|continue to try|be retried|try again|retry)|\bdo not need to resend"
    r"|\bhas(?: not yet|n['’]t yet) been delivered|\bhas been delayed",
    re.IGNORECASE,
)
DELAYED_ACTION = re.compile(rb"^action:\s*(?:delayed|relayed|expanded|delivered)\b", re.IGNORECASE | re.MULTILINE)
FAILED_ACTION = re.compile(rb"^action:\s*failed\b", re.IGNORECASE | re.MULTILINE)


def is_daemon(sender: str) -> bool:
    """Return whether `sender`, the text of a From header, names a mail server."""
    return bool(DAEMON_NAME.search(sender))


def is_postmaster(sender: str) -> bool:
    """Return whether `sender` names the keeper of a mail server, who may be a person or the server itself."""
    return bool(POSTMASTER_NAME.search(sender))


def reads_like_bounce(subject: str, text: str) -> bool:
    """Return whether the subject or the first lines say that an email was not delivered."""
    return bool(BOUNCE_SUBJECT.search(subject) or BOUNCE_SENTENCE.search(text[:MAX_REPORT_LENGTH]))


def reads_like_delay(subject: str, text: str, status: bytes = b"") -> bool:
    """Return whether a delivery report says that nothing has failed so far.

    `status` is the part of the report that machines read (RFC 3464), if there is one: it decides.
    """
    if FAILED_ACTION.search(status):
        return False
    if DELAYED_ACTION.search(status):
        return True
    return bool(DELAY_SUBJECT.search(subject) or DELAY_SENTENCE.search(text[:MAX_REPORT_LENGTH]))
