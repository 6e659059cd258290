"""How other systems and languages name what we store: the headers of columns, stages and sources.

The names come from the exports of Salesforce, HubSpot, Pipedrive, Zoho, Dynamics, Close, Copper, Freshsales,
Insightly, monday.com, Keap, ActiveCampaign, Mailchimp, Google and Outlook contacts, LinkedIn, the lead forms of Google,
Facebook and LinkedIn, and the agency systems Applied Epic, AMS360, EZLynx and HawkSoft; then German, French, Spanish,
Italian, Dutch, Portuguese and Polish. They are compared without case, accents, spaces and punctuation.
"""

from functools import lru_cache

from crm.text.letters import plain_letters
from leads.importing.cells import normalize_name


# A file repeats its few sources and stages in every row.
@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return `name` in lower case, without accents, spaces and punctuation, for comparison."""
    return normalize_name(plain_letters(name))


def to_words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What a file about people calls its main columns, whatever custom fields are called.
PEOPLE_WORDS = ("name", "email", "phone", "company")
# An estimated amount: “Est. premium”.
ESTIMATED_AMOUNTS = " ".join(
    f"{word}{amount}"
    for word in ("est", "estimated", "expected", "approx", "approximate", "projected", "potential")
    for amount in ("value", "amount", "premium", "annualpremium", "yearlypremium", "revenue", "dealvalue", "dealsize")
)
# If several columns match, the first name in the list wins; of like columns, the first cell that is filled counts.
FIELD_SYNONYMS = {
    "contact_name": """contactname fullname name contactfullname personname leadname primarycontact
        primarycontactname clientname customername insuredname namedinsured applicantname prospectname
        dealcontactperson contactperson associatedcontact displayname fileas itemname
        ansprechpartner kontaktname vollername vollstandigername kundenname kontaktperson
        nomcomplet nometprenom prenometnom nomducontact contactprincipal interlocuteur nom
        nombrecompleto nombreyapellidos nombreyapellido nombredelcontacto contactoprincipal nombre
        nomecompleto nome naam volledigenaam imieinazwisko
        nominativo nomecliente contattoprincipale nomeecognome contactpersoon nomedocontato imienazwisko
        kontakt contact1name""",
    "first_name": """firstname givenname forename fname first contactfirstname personfirstname
        applicantfirstname insuredfirstname clientfirstname customerfirstname primarycontactfirstname
        vorname prenom primernombre nombredepila nombres voornaam imie primeironome""",
    "middle_name": "middlename additionalname middle middleinitial applicantmiddlename zweitervorname segundonombre",
    "last_name": """lastname familyname surname lname last contactlastname personlastname applicantlastname
        insuredlastname clientlastname customerlastname primarycontactlastname
        nachname familienname zuname nomdefamille apellidos apellido primerapellido cognome achternaam nazwisko
        sobrenome""",
    "contact_email": """contactemail email emailaddress mail primaryemail email1value email1 email1address
        emailaddress1 emailwork workemail businessemail companyemail useremail personemail personemailwork
        contactsemail contactpersonemail leademail dealcontactemail primaryemailaddress emailaddresswork
        applicantemail applicantemailaddress insuredemail clientemail customeremail primarycontactemail
        personemailhome personemailother homeemail emailhome personalemail emailpersonal emailother
        email2 email2value email2address emailaddress2 secondaryemail otheremail additionalemailaddresses
        mailadresse emailadresse epost geschaftlicheemail emailgeschaftlich privateemail emailprivat
        adresseemail adressemail courriel courrielprofessionnel emailprofessionnel adresseelectronique
        correoelectronico correo direcciondecorreo direcciondecorreoelectronico emailprincipal mailprincipal
        correodetrabajo correopersonal indirizzoemail emailadres adresemail
        emailprivato indirizzomail postaelettronica mailadres emailadreswerk enderecodeemail emaildocontato
        emailsluzbowy adrespocztyelektronicznej emails email3value contact1primaryemail contact1email""",
    "contact_phone": """contactphone phone phonenumber contactphonenumber telephone telephonenumber tel userphone
        primaryphone phone1value phone1 mobilephone mobilephonenumber mobile mobilenumber cellphone cell
        cellphonenumber phonework workphone workphonenumber workdirectphone businessphone businessphone1 officephone
        personphone personphonework phonemobile personphonemobile contactsphone leadphone directphone homephone
        phonehome personphonehome personphoneother applicantphone applicantcellphone applicanthomephone insuredphone
        clientphone customerphone dealcontactphone otherphone phoneother phone2 phone2value primaryphonenumber
        telefon telefonnummer rufnummer telefongeschaftlich geschaftlichestelefon telefondienstlich festnetz
        handy handynummer mobil mobiltelefon mobilnummer mobiltelefonnummer telefonprivat
        numerodetelephone telephonefixe telephoneprofessionnel telephonebureau telephonemobile portable
        telephoneportable mobileprofessionnel telephonedomicile
        telefono numerodetelefono telefonodetrabajo telefonofijo telefonomovil movil celular telefonocelular
        telefoon telefoonnummer telefone telefono1 cellulare
        telefonofisso telefonocellulare telefonoufficio mobiel mobielnummer gsm telefoonwerk telefoneprincipal
        telefonecelular celularprincipal telemovel telefonkomorkowy komorka numertelefonu telefonsluzbowy
        contact1primaryphone contact1phone""",
    "company_name": """companyname company companyaccount account accountname organization organisation
        organizationname organization1name personorganization dealorganization leadorganization contactorganization
        associatedcompany associatedcompanyprimary primarycompany firm firmname businessname business employer
        parentcustomer accounts leadcompany
        firma firmenname unternehmen unternehmensname arbeitgeber organisationsname betrieb
        societe nomdelasociete entreprise nomdelentreprise raisonsociale compte nomducompte organisme
        empresa nombredelaempresa compania nombredelacompania cuenta nombredelacuenta razonsocial organizacion
        azienda bedrijf bedrijfsnaam
        ragionesociale nomeazienda societa organizzazione organisatie organisatienaam klantnaam nomedaempresa
        organizacao nomefantasia nazwafirmy przedsiebiorstwo""",
    "company_website": """companywebsite website websiteurl webpage homepage web companydomainname
        companydomain website1value organizationwebsite businesswebsite url domain companyurl
        webseite internetseite internetadresse siteweb siteinternet sitioweb paginaweb
        sito strona stronawww stronainternetowa""",
    "client_type": "clienttype kundentyp",
    "source_type": "sourcetype",
    "source_detail": """sourcedetail leadsource source originalsource originaltrafficsource leadsourcedetail
        contactsource dealsource opportunitysource sourcename leadsourcename referredby referralsource
        originalsourcedrilldown1 howdidyouhearaboutus
        quelle leadquelle herkunft kontaktquelle empfohlenvon
        sourcedulead sourceduprospect origine origineduprospect provenance
        origen fuente origendelcliente fuentedelprospecto origendelprospecto fuentedelead origendelead
        customersource fonte provenienza bron leadbron herkomst origem fontedolead origemdolead
        zrodlo zrodloleada zrodlokontaktu""",
    "assigned_to": "assignedto",
    "notes": """notes note description comments comment remarks background biographies message additionalnotes
        notizen notiz bemerkung bemerkungen kommentar kommentare anmerkung anmerkungen beschreibung nachricht
        remarque remarques commentaire commentaires notas nota observaciones comentarios comentario descripcion
        osservazioni annotazioni commenti commento descrizione notities notitie opmerking opmerkingen toelichting
        observacoes observacao anotacoes descricao uwagi notatki notatka komentarz opis""",
    "status": "status stage",
    "insurance_type": """insurancetype lineofinsurance versicherungssparte sparte versicherungsart
        typedassurance branche ramo tipodeseguro""",
    "loss_reason": """lossreason lostreason deallostreason closedlostreason reasonlost reasonforloss lossreasonname
        verlustgrund absagegrund raisondelaperte motifdeperte motivodeperdida razondeperdida
        motivoperdita motivodellaperdita redenverlies verliesreden motivodaperda motivodeperda
        powodutraty powodprzegranej""",
    "loss_notes": "lossnotes",
    "overall_score": "overallscore score leadscore",
    "tier_override": "tieroverride",
    "predicted_close_probability": "predictedcloseprobability",
    "estimated_value": f"""estimatedvalue value amount dealvalue dealamount leadvalue opportunityamount
        opportunityvalue estvalue estrevenue closevalue premium annualpremium annualizedpremium estimatedpremium
        policyannualpremium quotedpremium estimatedamount expectedrevenue opportunityvalueprimary yearlypremium
        premiumamount premiumestimate totalpremium totalannualpremium dealsize {ESTIMATED_AMOUNTS}
        betrag wert summe auftragswert dealwert pramie jahrespramie angebotssumme volumen
        montant valeur montantestime prime primeannuelle
        importe monto valor cantidad prima primaanual importeestimado valorestimado importo bedrag
        monetaryvalue primaryopportunityvalue valoretrattativa valore importostimato premio premioannuo
        waarde dealwaarde geschattewaarde premie jaarpremie valordonegocio premioanual
        wartosc wartoscszacowana kwota skladka skladkaroczna""",
    "expected_close_date": """expectedclosedate closedate closingdate estclosedate estimatedclosedate forecastclosedate
        targetclosedate dealexpectedclosedate leadexpectedclosedate expectedclosingdate dealexpectedclosingdate
        opportunityclosedate expectedclose
        abschlussdatum erwartetesabschlussdatum voraussichtlichesabschlussdatum
        datedecloture dateclotureprevue datedeclotureestimee dateprevuedecloture
        fechadecierre fechadecierreprevista fechaestimadadecierre fechaprevistadecierre
        datachiusura datadichiusura datachiusuraprevista datadichiusuraprevista
        verwachtesluitingsdatum sluitingsdatum verwachteafsluitdatum datadefechamento datafechamento
        datadefechamentoprevista previsaodefechamento datazamkniecia przewidywanadatazamkniecia""",
    "closed_at": """closedat closedon actualclosedate actualclosingdate dateclosed closeddate dealdealclosedon
        dealclosedon dealwontime dealdealwontime deallosttime wontime losttime wondate lostdate dealwondate
        deallostdate actualclosed convertedat converteddate dateconverted abgeschlossenam geschlossenam
        gewonnenam verlorenam datedecloturereelle fechadecierrereal
        chiusoil gewonnenop verlorenop geslotenop fechadoem ganhoem perdidoem zamknietodnia""",
    "created_at": """createdat createddate createdon createddatetime datecreated datetimecreated createdtime createdate
        createtime creationdate leadcreatedat leadcreateddate leadcreated leadcreationdate leadsubmittime dealcreated
        dealdealcreated dealcreatedate opportunitycreateddate submittedat submittedon submissiondate datesubmitted
        dateadded addedon addedat datereceived receivedon enquirydate inquirydate leaddate
        erstelltam erstelldatum erstellungsdatum angelegtam anlagedatum
        datedecreation datecreation creele creeele fechadecreacion fechacreacion fechadealta creadoel
        datacreazione datadicreazione creatoil aangemaaktop aanmaakdatum datumaangemaakt
        datadecriacao datacriacao criadoem datautworzenia utworzono""",
    "tags": """tags tag labels label categories groupmembership leadlabels deallabel personlabel contacttags leadtags
        schlagworte schlagworter stichworte kategorien kategorie etiketten etiquettes etiquette motscles categorie
        etiquetas etiqueta categorias
        etichette etichetta etykiety etykieta marcadores""",
    # A person who asked not to be contacted, and consent.
    "do_not_contact": """donotcontact dontcontact nocontact nichtkontaktieren kontaktsperre nepascontacter
        nocontactar
        noncontattare nietcontacteren naocontatar niekontaktowac""",
    "do_not_email": """donotemail emailoptout optedoutofemail hasoptedoutofemail unsubscribed optout optedout
        emailoptedout donotbulkemail donotallowemails donotallowbulkemails unsubscribedfromallemail
        unsubscribedfromallemails emailunsubscribed unsubtime unsubscribedate unsubscribedat optedoutemail
        emailmarketingoptout hasoptedoutemail personhasoptedoutofemail noemail subscriptionoptout newsletteroptout
        keineemail keineemails keinemails abgemeldet abgemeldetvonemails newsletterabgemeldet emailabmeldung
        desinscrit desabonne nepasenvoyerdemail optoutemail refusemail
        bajaemail noenviaremail noenviarcorreo noenviarcorreos dadodebaja cancelosuscripcion
        nonemail geenemail nietemailen naoenviaremail disiscritto afgemeld descadastrado bezemaili""",
    "do_not_call": """donotcall donotphone phoneoptout calloptout donotallowphonecalls persondonotcall nocalls dnc
        nichtanrufen keineanrufe keinanruf nepasappeler pasdappel nollamar
        nontelefonare nonchiamare nietbellen naoligar niedzwonic""",
    "do_not_text": """donottext smsoptout hasoptedoutofsms textoptout donotsms donotallowsms keinesms nepasenvoyerdesms
        noenviarsms""",
    "email_consent": """emailoptin optedintoemail emailconsent marketingconsent emailmarketingconsent subscribed
        acceptsmarketing acceptsemailmarketing newsletteroptin optin optedin consenttoemail newsletter
        emaileinwilligung werbeeinwilligung einwilligung consentementemail consentement consentimientoemail
        consentimiento
        consensoemail toestemmingemail consentimentoemail zgodaemail zgodanaemail zgodamarketingowa""",
    "phone_consent": "phoneoptin calloptin phoneconsent consenttocall telefoneinwilligung consentimientotelefono",
    "sms_consent": "smsoptin smsconsent acceptssmsmarketing textoptin consenttotext smseinwilligung",
}
# What columns say of the past of a lead. They are used only if cells fit: “Won” can also be an amount.
HISTORY_SYNONYMS = {
    "won_at": """wonat wonon wontime wondate datewon dealwontime dealdealwontime dealwondate closedwondate
        gewonnenam gewonnenop ganhoem gagnele ganadoel vintoil""",
    "lost_at": """lostat loston losttime lostdate datelost deallosttime dealdeallosttime deallostdate closedlostdate
        verlorenam verlorenop perdidoem perdule perdidoel persoil""",
    "stage_changed_at": """stagechangedat stagechangedate stagechangedon statuschangedate statuschangedon
        statuschangedat laststagechange laststagechangedate laststagechangetime dealstagechangedate
        laststatuschange laststatuschangedate datestagechanged datestatuschanged stageupdatedat
        dealstagechangetime dealdealstagechangetime dateenteredcurrentstage letztestufenanderung""",
    "is_won": "iswon won isclosedwon closedwon dealwon dealiswon gewonnen gagne ganado vinto ganho",
    "is_lost": "islost isclosedlost closedlost deallost lost dealislost verloren perdu perdido perso",
    "is_closed": "isclosed closed dealisclosed isdealclosed dealclosed opportunityclosed geschlossen abgeschlossen",
}
# Names with different meanings in different systems: used only if cells fit the field.
AMBIGUOUS_SYNONYMS = {
    "closed_at": """closed dealclosed opportunityclosed converted geschlossen abgeschlossen cloture cerrado cerrada
        chiuso chiusa gesloten fechado fechada zamkniete""",
    "client_type": """type customertype accounttype recordtype prospecttype contacttype leadtype kundenart typ
        typedeclient tipodecliente""",
    "source_type": """source leadsource originalsource originaltrafficsource dealsource contactsource
        quelle leadquelle herkunft sourcedulead sourceduprospect origine origen fuente origendelead
        origendelprospecto fuentedelead
        customersource fonte provenienza bron leadbron herkomst origem fontedolead origemdolead zrodlo zrodloleada""",
    "assigned_to": """owner leadowner contactowner dealowner opportunityowner accountowner recordowner personowner
        ownername owneremail leadownername assigneduser responsibleuser responsible salesowner assignee
        producer agent accountexecutive accountmanager salesrep salesagent salesperson csr
        zustandig zustandiger besitzer inhaber verantwortlich verantwortlicher bearbeiter betreuer berater
        vertriebsmitarbeiter eigentumer eigentuemer zugewiesenan
        proprietaire responsable proprietaireduprospect proprietaireducompte commercial assignea
        propietario propietariodelcontacto propietariodelprospecto asignadoa comercial vendedor agente
        ownedby proprietario commerciale incaricato eigenaar verantwoordelijke accountbeheerder
        responsavel wlasciciel opiekun handlowiec""",
    "status": """dealstage leadstage opportunitystage pipelinestage opportunitystagename leadstatus dealstatus
        opportunitystatus statusreason statuslabel stagename lifecyclestage currentstage
        phase stufe verkaufsphase vertriebsphase dealphase leadphase
        etape statut etapedelatransaction phasedevente statutduprospect
        etapa estado fase etapadelnegocio estadodelprospecto
        faseditrattativa stato etapadonegocio situacao verkoopfase etap etapsprzedazy""",
    "created_at": "created erstellt angelegt cree creado creato aangemaakt criado timestamp",
    "do_not_email": "subscriptionstatus emailstatus emailsubscriptionstatus emailpermissionstatus optinstatus",
    "insurance_type": """line lineofbusiness lob policytype coveragetype coverage product producttype
        insuranceline policyline interest produkt produit producto
        polizza tipopolizza verzekering polis seguro tipodeapolice ubezpieczenie rodzajubezpieczenia""",
}
# The same word is the whole name, or beside a given name the family name, or beside a family name the given name.
BARE_NAMES = frozenset({"name", "nom", "nombre", "nome", "naam"})
# An identifier of the row in the other system, best first; else the name of a deal tells two deals of a person apart.
RECORD_KEYS = to_words(
    """
    recordid leadid contactid dealid opportunityid dealdealid personid personpersonid leadleadid externalid
    clientid customerid accountid uniqueid uuid guid itemid id opportunityname dealname dealtitle
    opportunitytitle dealdealname deal
    """
)

# What the stages of other systems mean for us. A stage of the same name of our own comes first.
CLOSED_STAGE_SYNONYMS = {
    "won": """closedwon won dealwon closedconverted converted qualifiedconverted convertedtocustomer closedsold sold
        bound policybound issued boundissued gewonnen abgeschlossengewonnen geschlossengewonnen verkauft
        gagne gagnee fermegagne cloturegagne conclu vendu ganado ganada cerradoganado cerradaganada vendido
        vinto vinta chiusovinto chiusavinta venduto afgeslotengewonnen geslotengewonnen verkocht
        ganho ganha fechadoganho fechadaganha wygrana wygrane wygrany zamknietewygrane zamknietawygrana sprzedane""",
    "lost": """closedlost lost deallost lostlead notsold lostdeal closednotsold
        verloren abgeschlossenverloren geschlossenverloren abgelehnt rejected declined
        perdu perdue fermeperdu clotureperdu perdido perdida cerradoperdido cerradaperdida
        perso persa chiusoperso chiusapersa afgeslotenverloren geslotenverloren fechadoperdido fechadaperdida
        przegrana przegrane przegrany utracona utracone zamknieteprzegrane zamknietaprzegrana""",
    "unqualified": """unqualified disqualified unqualifiedlead closednotconverted closedunqualified junk junklead
        notqualified spam badfit closeddisqualified invalid
        unqualifiziert nichtqualifiziert disqualifiziert nonqualifie disqualifie
        nocalificado nocualificado descalificado
        nonqualificato squalificato nietgekwalificeerd gediskwalificeerd naoqualificado desqualificado
        niezakwalifikowany zdyskwalifikowany""",
}
FIRST_STAGE_SYNONYMS = to_words(
    """
    new newlead opennotcontacted notcontacted uncontacted newopportunity fresh untouched created neu
    offennichtkontaktiert nouveau nouvelle nuevo nueva nuovo nuova nieuw nieuwe novo nova nowy nowa nowe
    """
)
# A stage with one of these words is over, even if we cannot tell how.
ENDED_WORDS = to_words(
    """
    closed won lost dead archived cancelled canceled converted lapsed expired terminated geschlossen
    abgeschlossen beendet gewonnen verloren ferme fermee cloture cloturee gagne perdu termine cerrado cerrada
    ganado perdido terminado rejected declined abandoned withdrawn
    chiuso chiusa vinto vinta perso persa annullato concluso gesloten afgesloten geannuleerd verlopen
    fechado fechada ganho ganha cancelado encerrado zamkniete zamkniety zamknieta wygrane wygrana przegrane
    przegrana anulowane zakonczone
    """
)
NEGATIONS = to_words("not no never non nicht kein keine noch sin un pas niet geen nao nie")
SOURCE_SYNONYMS = {
    "REFERRAL": """referral referred referralpartner partnerreferral employeereferral customerreferral externalreferral
        clientreferral wordofmouth recommendation empfehlung weiterempfehlung recommandation boucheaoreille
        recomendacion referido bocaaboca
        passaparola segnalazione raccomandazione doorverwijzing aanbeveling verwijzing indicacao recomendacao
        polecenie rekomendacja""",
    "WEBSITE": """website web webform websiteform webinquiry webquery contactform onlineform form landingpage internet
        webseite webformular kontaktformular formular siteweb formulaireweb formulaire sitioweb paginaweb formularioweb
        formulario sitoweb sitointernet moduloweb modulo contactformulier webformulier formulariodosite
        stronainternetowa
        stronawww formularz formularzkontaktowy""",
    "EVENT": """event tradeshow conference seminar webinar exhibition fair messe veranstaltung
        salon evenement feria evento
        fiera convegno beurs congres feira targi wydarzenie konferencja""",
    "EMAIL": "email emailmarketing emailcampaign newsletter mailing emailinquiry emailkampagne courriel correo",
}
