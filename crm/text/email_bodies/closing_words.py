"""Whether an email only closes a conversation: "Thanks", "Done", "Perfect, thank you!", in many languages.

Every phrase must be thanks, an acknowledgement, a greeting or a good wish, and one of them thanks or an
acknowledgement. Anything else, a question, a number or a "but", keeps the conversation open. Words that answer a
question ("yes", "ok", "great", "works for me") close nothing by themselves.
"""

import re

from crm.text.email_bodies.quotes import PartKind, extract_signature, own_text, split_body

MAX_CLOSING_LENGTH, MAX_QUOTED_LENGTH = 190, 20_000
CLOSES, COMPANY_ONLY, SAYS_MORE = "closes", "accompanies", "says more"
# What "thank you for …" may name. Thanks for anything else may be a complaint.
THANKED_FOR = (
    r"(?:all |the |your |this |that |everything|sending |letting (?:me|us) know|getting back(?: to (?:me|us))?"
    r"|(?:quick|prompt|fast|kind|great|swift|detailed|good|excellent|help|reply|response|answer|info(?:rmation)?|update"
    r"|e-?mail|message|note|quote|offer|proposal|call|time|support|patience|documents?|certificate|confirmation|service"
    r"|work|it|over|through|so|quickly|again|and)\b ?)+"
)
THANKS = (
    r"(?:(?:ok(?:ay)?|great|perfect|wonderful|excellent|super|many|much|very|so|all good|and|again|once more) )*"
    r"(?:thanks|thank (?:you|u|ya)|thx|tnx|ty|cheers|(?:much|really|greatly) appreciated|appreciate(?:d)?(?: it| that)?"
    r"|(?:i|we) (?:really |very much )?appreciate (?:it|that|your help|this))"
    r"(?: (?:so|very) much| a (?:lot|bunch|million|ton)| again| all| everyone| indeed)*"
    rf"(?: for {THANKED_FOR})?"
    r"|(?:vielen |herzlichen |besten |lieben |tausend |1000 |ganz )*dank(?:e)?(?: (?:schön|sehr|dir|ihnen|euch|vielmals"
    r"|nochmals?|auch|für (?:die|ihre|deine|das|den|alles) ?\w*(?: \w+)?|für alles))*|dankeschön|merci"
    r"|(?:un grand |mille |grand )?merci(?: (?:beaucoup|bien|à (?:vous|toi)|infiniment|encore|pour (?:tout"
    r"|votre \w+|ta \w+"
    r"|la \w+|le \w+|l['’]\w+)))*"
    r"|(?:muchas |muchísimas |mil )?gracias(?: (?:por (?:todo|su \w+|tu \w+|la \w+|el \w+)|de nuevo|a (?:ti"
    r"|usted|ustedes)))*"
    r"|(?:molte |tante |mille )?grazie(?: (?:mille|tante|infinite|ancora|a (?:lei|te|voi)|di tutto|per (?:tutto"
    r"|la \w+)))*"
    r"|(?:heel |hartelijk |erg |veel )*(?:bedankt|dank(?: (?:je|u|jullie))?(?: wel| zeer)?|dankjewel|dankuwel)"
    r"(?: voor (?:alles|je \w+|uw \w+|de \w+|het \w+))?"
    r"|(?:muito )?obrigad[oa](?: (?:por tudo|pela \w+|pelo \w+|mais uma vez))?"
    r"|(?:stort |många |tusen |jätte ?)*tack(?: (?:så mycket|för (?:allt|hjälpen|svaret|det)|igen))*"
    r"|(?:mange |tusen |hjertelig )*takk?(?: (?:for (?:alt|hjelpen|hjælpen|svaret|det)|skal du ha(?:ve)?|igen"
    r"|igjen|så meget))*"
    r"|(?:paljon |suuri )?kiitos(?: (?:paljon|avusta|kovasti|vielä))?|kiitoksia"
    r"|(?:moc |mockrát )?(?:děkuji|děkuju|děkujeme|díky|dík)(?: (?:moc|vám|mnohokrát|za \w+))*"
    r"|(?:bardzo |serdecznie )?(?:dziękuję|dziękujemy|dzięki|dzieki)(?: (?:bardzo|za \w+|wielkie))*"
    r"|(?:большое |огромное )?спасибо(?: (?:большое|вам|огромное|за \w+))*|благодарю(?: вас)?|(?:щиро )?дякую"
    r"|(?:çok )?teşekkür(?:ler|\s?ederim|\s?ederiz)|sağ ol(?:un)?"
    r"|(?:どうも)?ありがとう(?:ございます|ございました)?|(?:非常|多)?(?:谢谢|謝謝|感谢)(?:您|你|你们)?|多谢|多謝"
    r"|감사(?:합니다|드립니다)|고맙습니다"
)
ACKNOWLEDGEMENTS = (
    r"(?:it['’]?s |that['’]?s |this is |all )?(?:done|all set|sorted|taken care of|settled)|(?:i "
    r"|we )?(?:have )?(?:got it|got them"
    r"|received(?: it| them| with thanks)?|well received)|(?:well )?noted(?: with (?:many )?thanks)?|understood"
    r"|no (?:problem|worries"
    r"|trouble)(?: at all)?"
    r"|(?:you are|you['’]?re) (?:very |most )?welcome|my pleasure|(?:happy|glad) to help|don['’]t mention it|any ?time"
    r"|erledigt|ist erledigt|alles klar|verstanden|(?:ist )?(?:angekommen|eingegangen)"
    r"|gern(?:e)?(?: geschehen)?|kein problem"
    r"|keine ursache|(?:c['’]est )?(?:fait|noté|réglé)|bien (?:reçu|noté)|de rien|avec plaisir|pas de souci"
    r"|hecho|listo|(?:todo )?recibido|entendido|de nada|con gusto|fatto|ricevuto|capito|prego|di nulla"
    r"|gedaan|geregeld|(?:in goede orde )?ontvangen|begrepen|graag gedaan|feito|recebido|entendido|por nada"
    r"|klart|fixat|mottaget|förstått|varsågod|færdig|ferdig|ordnet|klaret|modtaget|mottatt|forstået|forstått"
    r"|selv tak|bare hyggelig"
    r"|tehty|vastaanotettu|selvä|ole hyvä|hotovo|vyřízeno|rozumím|není zač|gotowe|zrobione|otrzymałe?a?m|nie ma za co"
    r"|готово|сделано|получил[аи]?|понял[аи]?|понятно|пожалуйста|готове|отримав|отримала|tamamdır|aldım|rica ederim"
    r"|承知(?:いた)?しました|了解(?:です|しました)?|収到|收到(?:了)?|不客气|알겠습니다|확인했습니다"
)
COMPANIONS = (
    r"(?:that['’]?s |that is |this is |all |really |very |just |so )*(?:great|perfect|excellent|wonderful"
    r"|awesome|brilliant|lovely"
    r"|fantastic|super|cool|nice|good|ok|okay|fine|all good)(?: news| job| work| stuff)?"
    r"|have a (?:very )?(?:great|nice|good|lovely|wonderful|pleasant|happy) (?:day|weekend|evening|week|one"
    r"|time|holiday|trip)"
    r"(?: too| ahead| yourself)?"
    r"|(?:you|and you|same to you|you) too|same to you|take care|bye(?: bye)?|see you(?: (?:then|soon|there"
    r"|tomorrow))?|talk soon"
    r"|(?:all the |very )?best(?: regards| wishes)?|(?:kind|warm|best|many) (?:regards|wishes)|regards|xx?|cheers"
    r"|perfekt|prima|super|toll|klasse|sehr gut|gut|schön(?:en|es) (?:tag|abend|wochenende)(?: noch)?|(?:viele"
    r"|liebe|beste) grüße"
    r"|parfait|super|très bien|génial|bonne (?:journée|soirée|semaine)|bon week-?end|perfecto|muy bien|genial|vale"
    r"|(?:buen|que tengas? un buen) (?:día|fin de semana)|perfetto|benissimo|ottimo|buona (?:giornata|serata)"
    r"|top|prima|uitstekend|(?:sent|gesendet|envoyé|enviado|inviato|verzonden|skickat|sendt|wysłan[eo]) "
    r"(?:from|von|vom|depuis|de|desde|da|dal|vanaf|från|fra|z) [^?]{1,40}"
    r"|fijne (?:dag|avond)|fijn weekend|perfeito|ótimo|perfekt|bra|toppen|fint|flot|hyvä|hienoa|skvělé|výborně"
    r"|super|świetnie"
    r"|doskonale|отлично|хорошо|прекрасно|чудово|harika|mükemmel|好的|好"
)
GREETING = (
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hallo|guten (?:tag|morgen)|liebe[rs]?"
    r"|sehr geehrte[rs]?|bonjour"
    r"|salut|chère?|hola|buenos días|estimad[oa]|ciao|buongiorno|gentile|beste|dag|olá|bom dia|hej|hei|moi|ahoj"
    r"|dobrý den"
    r"|cześć|dzień dobry|здравствуйте|добрый день|привет|merhaba|您好|你好)(?: [\w.'’-]+){0,3}"
)
# Words that a bare capitalised word must not be if it is to count as a name.
NOT_A_NAME = (
    r"(?!(?:yes|no|cancel|stop|but|please|call|send|wait|urgent|help|sold|approved|accepted|declined|confirmed|agreed"
    r"|when|proceed|interested|today|tonight|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b)"
)
CAPITAL = r"(?=[^\W\d_a-zß-öø-ÿ])"
NAME = rf"(?i:{NOT_A_NAME}){CAPITAL}[^\W\d_][\w.'’-]*(?: (?i:{NOT_A_NAME}){CAPITAL}[^\W\d_][\w.'’-]*)?"
ENDING = r"(?: (?:all|team|everyone|guys|folks|both|sir|madam))?"
CLOSING = re.compile(rf"(?:{THANKS}|{ACKNOWLEDGEMENTS}){ENDING}", re.IGNORECASE)
# "Thanks Dana": a name only where it is written like one.
THANKS_TO = re.compile(rf"(?i:{THANKS}|{ACKNOWLEDGEMENTS}) (?:(?i:mr|mrs|ms|herr|frau|dr)\.? )?{NAME}")
COMPANION = re.compile(rf"(?:{GREETING}|(?:{COMPANIONS})(?: (?:{COMPANIONS}))?){ENDING}", re.IGNORECASE)
NAME_PHRASE = re.compile(NAME)
WEB_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
QUESTION = re.compile(r"[?？]")
SYMBOLS = re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF\uFE0F\u200D]+|[:;]-?[)D]+")
THUMBS_UP = re.compile(r"[👍🙏👌✅]")
PHRASES = re.compile(r"([.!¡,;…\n。、！，]+| [-–—] )")


def only_closes(body: str) -> bool:
    """Return whether what was written for the email `body` only closes the conversation."""
    words = own_text(body)
    if not words.strip() or len(words) > MAX_CLOSING_LENGTH:
        return False
    found = read_phrases(words)
    if found == COMPANY_ONLY:  # "Hi Dana" above "Many thanks, Lee", which was taken for the signature
        first = next((line for line in extract_signature(body).splitlines() if line.strip()), "")
        found = read_phrases(first)
    return found == CLOSES


def read_phrases(words: str) -> str:
    """Return whether the phrases of `words` close a conversation, only accompany such words, or say more."""
    found = CLOSES if THUMBS_UP.search(words) else COMPANY_ONLY
    words = SYMBOLS.sub(" ", words.replace("’", "'"))
    pieces = ["", *PHRASES.split(words)]
    for separator, piece in zip(pieces[::2], pieces[1::2], strict=True):
        if not (phrase := " ".join(piece.split())):
            continue
        if CLOSING.fullmatch(phrase) or THANKS_TO.fullmatch(phrase):
            found = CLOSES
        # A name stands after what it belongs to: "Thanks, Dana". After a full stop, a word begins a sentence.
        elif not COMPANION.fullmatch(phrase) and not (separator.strip(" .") and NAME_PHRASE.fullmatch(phrase)):
            return SAYS_MORE
    return found


def quotes_question(body: str) -> bool:
    """Return whether the email that `body` answers, as far as `body` quotes it, asks something."""
    quoted = next((part.text for part in split_body(body[:MAX_QUOTED_LENGTH]) if part.kind == PartKind.QUOTED), "")
    lines = [re.sub(r"^\s*>\s?", "", line) for line in quoted.splitlines()[1:]]
    asked = "\n".join(line for line in lines if not line.startswith(">"))
    return bool(QUESTION.search(WEB_ADDRESS.sub("", own_text(asked))))
