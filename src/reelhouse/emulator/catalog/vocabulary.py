"""The invented words of the catalogue: names, titles, sentences. Nothing here is a row of TMDB's."""


def _each(text: str) -> tuple[str, ...]:
    """The phrases between the bars, whatever the line breaks."""
    return tuple(phrase.strip() for phrase in " ".join(text.split()).split("|"))


ADJECTIVES = _each(
    """Amber|Ancient|Broken|Burning|Careless|Cobalt|Crimson|Crooked|Distant|Drowned|Electric|Empty|Fading|Faithful|
    Feral|Final|Forgotten|Frozen|Gentle|Gilded|Golden|Green|Hidden|Hollow|Honest|Idle|Infinite|Invisible|Iron|Last|
    Lesser|Little|Lonely|Long|Lost|Lucky|Midnight|Narrow|Nervous|Northern|Ordinary|Paper|Patient|Perfect|Quiet|
    Reckless|Restless|Rusted|Scarlet|Secret|Seventh|Silent|Silver|Sleeping|Slow|Stolen|Sunken|Tender|Thirteenth|
    Unfinished|Velvet|Wandering|Weightless|Wicked|Wild|Winter"""
)
NOUNS = _each(
    """Accordion|Alibi|Almanac|Anchor|Apprentice|Arcade|Archive|Atlas|Avalanche|Balcony|Ballad|Bargain|Beekeeper|
    Bicycle|Border|Bridge|Butcher|Cannery|Carousel|Cartographer|Cathedral|Comet|Compass|Conductor|Courier|Crossing|
    Dowry|Echo|Elevator|Embassy|Envelope|Estuary|Ferry|Fiddler|Furnace|Garden|Ghost|Glacier|Gravedigger|Harbour|
    Harvest|Heir|Horizon|Hour|Inheritance|Island|Jury|Kingdom|Lantern|Ledger|Letter|Lighthouse|Locksmith|Machine|
    Matchmaker|Meridian|Miracle|Mirror|Monsoon|Mutiny|Neighbour|Oath|Orchard|Orchestra|Outpost|Parade|Passenger|
    Pendulum|Piano|Pilgrim|Planet|Promise|Quarry|Rehearsal|Reservoir|River|Satellite|Season|Shepherd|Signal|Sparrow|
    Station|Stranger|Summer|Tailor|Telegram|Tide|Tollkeeper|Tunnel|Umbrella|Verdict|Violin|Voyage|Waltz|Weaver|
    Widow|Window|Witness"""
)
PLACES = _each(
    """Alderney Bay|Bramble Hill|Calle Verde|Dunmore|Eastmarch|Fennimore|Gallows Point|Harrow Street|Isla Perdida|
    Junction Nine|Kestrel Rock|Lindenau|Marrow Lake|Northgate|Old Sarn|Port Amity|Quince Avenue|Ravensholm|Saint
    Odile|Tamarind|Upper Vell|Valdoro|Westhaven|Yarrow|Zelenograd Road"""
)
_WOMEN = _each(
    """Adaeze|Agnes|Aiko|Alba|Amara|Anouk|Beatriz|Birgit|Camille|Chiara|Daria|Delphine|Elif|Esther|Farah|Freya|Greta|
    Hana|Ines|Ingrid|Jasmine|Katya|Leila|Lin|Magda|Marisol|Mei|Nadia|Noor|Odette|Paloma|Priya|Ruth|Saoirse|Signe|
    Sofía|Tamsin|Thandiwe|Ursula|Vera|Wanjiru|Ximena|Yara|Zoë"""
)
_MEN = _each(
    """Abel|Akira|Alonso|Anselm|Arjun|Bashir|Bjørn|Caspian|Cem|Dario|Declan|Dmitri|Efraín|Emeka|Emil|Faisal|Gaspard|
    Hamish|Henrik|Hiroshi|Idris|Ivo|Jannik|Joaquín|Kofi|Lars|Luca|Malik|Mateus|Milan|Nikhil|Omar|Otis|Pavel|Quentin|
    Rafael|Ravi|Samuel|Søren|Tariq|Teo|Umberto|Viktor|Wen|Yusuf|Zoltán"""
)
GIVEN = (_WOMEN, _MEN)
FAMILY = _each(
    """Abara|Achterberg|Adeyemi|Almquist|Arroyo|Ashdown|Bakshi|Balogun|Barozzi|Belmonte|Bergström|Blackwood|Brannigan|
    Calloway|Castellane|Chaudhuri|Chen|Cordero|Czarnecki|Dahl|Delacroix|Demir|Dvořák|Eckhart|Eriksen|Esposito|
    Fairweather|Farkas|Ferreira|Fontaine|Fujimori|Galanis|Gunnarsson|Haddad|Halloran|Hashimoto|Hendricks|Holub|
    Ibarra|Ilyin|Iwata|Jansson|Jaramillo|Kallas|Kapoor|Karimi|Kimura|Kowalczyk|Krüger|Laurent|Leclair|Lindqvist|
    Lombardi|Maalouf|Mbeki|Mendoza|Mikkelsen|Moreau|Murakawa|Nakagawa|Ndiaye|Novák|O'Rourke|Okafor|Oyelaran|
    Palmgren|Pereira|Petrescu|Quiroga|Rahimi|Rasmussen|Rousseau|Sandoval|Sato|Schreiber|Sinclair|Szabó|Takeda|
    Tanaka|Thorne|Tsui|Underhill|Valverde|Vance|Varga|Villanueva|Wachowiak|Whitlock|Yamane|Yıldız|Zapata|Zimmer"""
)
NATIVE_PEOPLE = _each(
    """山根 陽菜|高田 陸|陈思远|林雅婷|김하준|이서연|أمينة حداد|طارق منصور|נועה ברקת|Дарья Ильина|Виктор Соколов|प्रिया
    कपूर|อรุณ สายชล|Ελένη Γαλάνη"""
)

# Titles in the script of their language: first words, second words, and what joins them.
NATIVE_TITLES = {
    "ja": (_each("静かな|青い|最後の|忘れられた|夜の|赤い|遠い"), _each("灯台|列車|約束|手紙|海|庭師|夏"), ""),
    "zh": (_each("寂静的|失落的|红色|最后的|遥远的|无名"), _each("河流|城市|信使|花园|火车|春天"), ""),
    "cn": (_each("夜半|風中|無聲|九龍|黃金"), _each("對手|情書|風暴|碼頭|拳師"), ""),
    "ko": (_each("조용한|마지막|붉은|잊혀진|푸른"), _each("등대|약속|겨울|편지|기차"), " "),
    "ar": (_each("حارس|ليالي|رسائل|طريق|ظل"), _each("المنارة|النهر|المدينة|الصحراء|البحر"), " "),
    "he": (_each("שומר|לילות|מכתבים|דרך|צל"), _each("המגדלור|הנהר|העיר|המדבר|הים"), " "),
    "fa": (_each("نگهبان|شب‌های|نامه‌های|راه|سایه"), _each("فانوس|رودخانه|شهر|کویر|دریا"), " "),
    "ru": (_each("Тихий|Последний|Забытый|Красный|Далёкий"), _each("маяк|поезд|рассвет|берег|свидетель"), " "),
    "hi": (_each("आख़िरी|खोया हुआ|नीला|सुनहरा"), _each("दीपक|शहर|वादा|सफ़र"), " "),
    "th": (_each("คืน|เงา|ทาง|เสียง"), _each("สุดท้าย|แห่งสายน้ำ|ที่หายไป|ในเมือง"), ""),
    "el": (_each("Ο τελευταίος|Ο σιωπηλός|Ο χαμένος"), _each("φάρος|δρόμος|μάρτυρας|κήπος"), " "),
    "fr": (
        _each("Le Dernier|Le Silence du|L'Été du|Le Petit|Une nuit au"),
        _each("phare|jardin|témoin|fleuve|château"),
        " ",
    ),
    "es": (
        _each("El último|La sombra del|Los años del|Bajo el|El niño del"),
        _each("faro|jardín|testigo|río|desierto"),
        " ",
    ),
    "de": (
        _each("Der letzte|Der stille|Im Schatten: der|Nachts im|Der Sommer im"),
        _each("Leuchtturm|Garten|Zeuge|Fluss|Müller"),
        " ",
    ),
    "it": (_each("L'ultimo|La notte del|Il segreto del|Il"), _each("faro|giardino|testimone|fiume|mercante"), " "),
    "pt": (_each("O último|A noite do|O segredo do|O"), _each("farol|jardim|sertão|rio|mensageiro"), " "),
    "tr": (_each("Son|Sessiz|Kayıp|Mavi"), _each("fener|bahçe|tanık|nehir|şehir"), " "),
    "sv": (_each("Den sista|Den tysta|Den gömda"), _each("fyren|trädgården|ön|sommaren"), " "),
    "pl": (_each("Ostatni|Cichy|Zaginiony"), _each("świadek|ogród|pociąg|brzeg"), " "),
}

WHO = _each(
    """a retired {a} pilot|an estranged sister|a young {n} maker|the only heir of a {a} fortune|an unlikely
    detective|a schoolteacher with a {a} past|the best friend of a {a} thief from {p}|a disgraced surgeon|the last {n}
    keeper of {p}|an orphan raised by strangers|a small-town mayor|a travelling {n} salesman|a former boxer|a night
    nurse|an ambitious cartographer|a {a} thief with four children"""
)
WHAT = _each(
    """returns to {p} to bury an old secret|discovers a {a} {n} that should not exist|must cross the border before the
    {n} falls silent|falls in love on the eve of a {a} war|is drawn into a conspiracy that reaches from {p} to the
    sea|agrees to one last job|inherits a {a} {n} and all of its debts|vanishes during the winter festival of {p}|
    takes the blame for a crime nobody saw|builds a {n} out of scrap and stubbornness|wakes up with no memory of
    {p}|enters a contest that no one has ever finished"""
)
THEN = _each(
    """Nothing is what it seems.|But the past has other plans.|As the storm closes in, every ally becomes a suspect.|
    Soon the whole of {p} is watching.|What begins as a joke turns into a question of life and death.|Only the {a}
    {n} knows the truth.|Together they learn that forgiveness has a price.|Time, however, is running out.|A “true”
    story, more or less.|Meanwhile, someone keeps leaving letters at the door…|It will take more than luck to get
    home.|Part satire, part elegy, it follows them over a single {a} summer."""
)
# Rare endings of an overview: what a careless parser or a careless column type trips over.
QUIRKS = (
    "\n\nBased on the stage play.",
    "\r\n\r\nSecond paragraph,\tafter a tab.",
    " 🎬🔥 Winner of the Golden Lantern 🏆!",
    ' She said: "No\\Yes" & left <b>at once</b>.',
    " Cafe\u0301 Ame\u0301lie, nai\u0308ve.",
    " \u200fقصة حب في زمن الحرب\u200f.",
    " 日本語の説明も含む。",
    " 👩‍👩‍👧 A family\u2028of three.",
)
TAGLINES = _each(
    """Every {n} has a price.|Some doors should stay closed.|The {a} truth.|Nobody leaves {p}.|One night. No {n}.|Love
    is a {a} {n}.|Run.|Listen closely.|The end was only the {n}.|Be careful what you bury."""
)
ROLES = _each(
    """Waiter|Taxi Driver|Nurse|Police Officer|Soldier|Priest|Bartender|Neighbour|Journalist|Narrator (voice)|Self|
    Judge|The Stranger|Young {g}|Dr. {f}|Mrs. {f}|Captain {f}|Inspector {f}|{g}|{g}|{g} {f}|{g} {f}|{g} {f}"""
)
COMPANY_ENDS = _each("""Pictures|Films|Entertainment|Productions|Studios|Film|Media|Filmproduktion|Cinéma|映画""")
TOPICS = _each(
    """ambition|betrayal|blackmail|boxing|broken heart|carnival|childhood friend|city life|coming of age|courtroom|
    cult|deception|desert|disguise|dream|exile|family secret|farm|fatherhood|fear|friendship|grief|haunted house|
    heist|hostage|identity|immigrant|investigation|jealousy|journey|lighthouse|long distance|loss|marriage|memory|
    mistake|murder|music|mystery|obsession|orphan|parallel world|parenthood|poison|poverty|prison|promise|prophecy|
    race|rebellion|reunion|revenge|road trip|robot|rural life|sea|secret agent|sibling rivalry|small town|snow|
    space|spy|storm|survival|swamp|teacher|time loop|train|twin|village|voyage|war|wedding|witness|writer"""
)

SENTENCES = {
    "de": _each(
        "Eine alte Schuld holt sie ein.|Nichts ist, wie es scheint.|"
        "Im Winter verschwindet ein Kind.|Ein Brief verändert alles."
    ),
    "fr": _each(
        "Un vieux secret refait surface.|Rien n'est comme il paraît.|"
        "Une lettre va tout changer.|L'été ne fait que commencer…"
    ),
    "es": _each(
        "Un viejo secreto sale a la luz.|Nada es lo que parece.|Una carta lo cambia todo.|¿Quién dice la verdad?"
    ),
    "it": _each(
        "Un vecchio segreto torna a galla.|Niente è come sembra.|Una lettera cambia tutto.|L'estate è appena iniziata."
    ),
    "pt": _each("Um velho segredo vem à tona.|Nada é o que parece.|Uma carta muda tudo.|O verão está só começando."),
    "ru": _each("Старая тайна всплывает на поверхность.|Всё не то, чем кажется.|Одно письмо меняет всё."),
    "ja": _each("古い秘密が明らかになる。|一通の手紙がすべてを変える。|冬の町で少女が消えた。"),
    "zh": _each("一个旧秘密浮出水面。|一封信改变了一切。|没有什么是表面看起来的那样。"),
    "ko": _each("오래된 비밀이 드러난다.|한 통의 편지가 모든 것을 바꾼다."),
    "ar": _each("سر قديم يعود إلى السطح.|رسالة واحدة تغير كل شيء."),
    "he": _each("סוד ישן צף ועולה.|מכתב אחד משנה הכול."),
    "tr": _each("Eski bir sır ortaya çıkar.|Bir mektup her şeyi değiştirir."),
    "pl": _each("Stara tajemnica wychodzi na jaw.|Jeden list zmienia wszystko."),
    "sv": _each("En gammal hemlighet kommer fram.|Ett brev förändrar allt."),
}
REVIEWS = (
    "A fine idea, told twice as long as it needs to be.",
    "Lovely photography.\r\n\r\nThe ending does *not* work, though.",
    "I laughed, I cried, I checked my watch. 7/10 ⭐",
    "The sort of film that makes you miss the last bus and not mind.",
)
