//! The same concepts in the languages attacks are most often written in after English.

use super::{Concept::*, Phrases};

pub(super) const PHRASES: &[Phrases] = &[
    // German
    (
        Override,
        "ignoriere, ignorieren, ignoriert, ignorier, vergiss, vergesse, vergesst, vergessen, missachte, missachten, übergehe, verwirf, überschreibe, umgehe, umgehen, nicht beachten, beachte nicht, lass außer acht, setze dich hinweg",
    ),
    (
        Prior,
        "vorherigen, vorherige, vorigen, bisherigen, bisherige, obigen, obige, vorangegangenen, vorangehenden, vorstehenden, früheren, frühere, davor, bisher, ursprünglichen, was wir bisher, oben, letzten",
    ),
    (
        Instruction,
        "anweisung, anweisungen, instruktion, instruktionen, befehl, befehle, aufträge, auftrag, regeln, vorgaben, richtlinien, aufgabe, aufgaben, eingabe, eingaben, anordnungen, einschränkungen, kontext, prompt",
    ),
    (Every, "alle, alles, sämtliche, jede, jeden, jegliche, ganze, allen"),
    (You, "du, dein, deine, deinen, deiner, dich, dir, sie, ihre, ihr, ihnen"),
    (
        Role,
        "du bist jetzt, du bist nun, du bist ab, sie sind jetzt, ab jetzt, ab sofort, von nun an, tu so als, stell dir vor, spiele die rolle, agiere als, verhalte dich, sei ein, du bist ein, du bist eine, du bist keine, antworte als, antworte im stil, im stil, schlüpfe in, gib dich als",
    ),
    (
        Innards,
        "systemprompt, system-prompt, systemanweisungen, deine anweisungen, deine instruktionen, deine regeln, geheime schlüssel, geheimen schlüssel, ursprünglichen anweisungen",
    ),
    (
        Reveal,
        "zeige, zeig, verrate, verrat, nenne, gib mir, wiederhole, schreibe, schreib, sage, sag, gib aus, drucke, erkläre, antworte, übersetze, generieren, generiere, sprich",
    ),
    (
        Secrecy,
        "sag dem nutzer nicht, sage niemandem, ohne den benutzer, ohne den nutzer, ohne zu fragen, heimlich, erwähne nicht, nicht erwähnen, verschweige, unauffällig, im hintergrund, ohne rückfrage, ohne bestätigung",
    ),
    (
        NewTask,
        "neue aufgabe, neue aufgaben, neuen aufgabe, neue anweisung, neue anweisungen, stattdessen, diese aufgabe, nur auf diese, folgende anweisung, folgenden anweisungen, jetzt kommt, jetzt kommen, konzentriere dich",
    ),
    (Modal, "musst, müssen, sollst, sollen, immer, niemals, nur, nun, jetzt, muss"),
    (Please, "bitte, könntest du, kannst du, ich möchte dass, ich will dass"),
    (Stop, "stopp, halt, warte, achtung, gut gemacht, super gemacht, sehr gut"),
    (Urgent, "wichtig, dringend, sofort, umgehend, achtung, sehr wichtig, unbedingt"),
    (
        Send,
        "sende, senden, schicke, schick, verschicke, leite weiter, übermittle, überweise, hochladen, weiterleiten, versende",
    ),
    (Destroy, "lösche, löschen, entferne, deaktiviere, vernichte, schalte aus"),
    (
        Sensitive,
        "passwort, passwörter, zugangsdaten, geheimnis, schlüssel, kreditkarte, kontodaten, vertraulich, personenbezogene daten",
    ),
    (
        Harm,
        "hasst, hass, töten, bombe, schimpfwort, schimpfwörter, saftladen, assi, nazis, stirbst, rassistisch, rassistischen, mord, mörder",
    ),
    (Not, "nicht, kein, keine, keinen, nie, nichts, ohne"),
    (Reply, "antwort, antworten, gedicht, aufsatz, geschichte, plädoyer, artikel"),
    (Mine, "mein, meine, ich, mir, mich, unser"),
    // French
    (
        Override,
        "ignore, ignorez, ignorer, oublie, oubliez, oublier, néglige, négligez, ne tiens pas compte, ne tenez pas compte, contourne, contournez, désobéis",
    ),
    (
        Prior,
        "précédentes, précédente, précédents, précédent, antérieures, ci-dessus, initiales, ci dessus, avant, jusqu'ici, plus haut, d'origine",
    ),
    (
        Instruction,
        "consigne, consignes, directives, règles, ordres, commandes, tâche, tâches, contraintes, invite, requête",
    ),
    (Every, "toutes, tous, tout, toute, chaque, n'importe"),
    (You, "tu, ton, tes, ta, toi, vous, votre, vos"),
    (
        Role,
        "tu es maintenant, vous êtes maintenant, agis comme, agissez comme, fais semblant, faites semblant, désormais, à partir de maintenant, joue le rôle, imagine que tu, tu es un, comporte toi",
    ),
    (
        Reveal,
        "révèle, révélez, montre, montrez, affiche, affichez, donne moi, répète, répétez, traduis, dis, dites, écris, imprime",
    ),
    (
        Secrecy,
        "ne dis pas, ne dites pas, ne mentionne pas, ne mentionnez pas, sans informer, sans prévenir, secrètement, discrètement, en silence, sans demander, à l'insu",
    ),
    (
        NewTask,
        "nouvelle tâche, nouvelles instructions, nouvelle instruction, à la place, au lieu de cela, exécute, exécutez, suivante, plutôt",
    ),
    (Modal, "dois, devez, il faut, toujours, jamais, seulement, uniquement"),
    (Please, "s'il te plaît, s'il vous plaît, veuillez, merci de, peux tu, pouvez vous"),
    (Urgent, "attention, immédiatement, tout de suite, très important, urgence"),
    (
        Send,
        "envoie, envoyez, envoyer, transfère, transférez, transmets, transmettez, télécharge, publie, partage",
    ),
    (Destroy, "supprime, supprimez, supprimer, efface, effacez, désactive, désactivez, détruis"),
    (
        Sensitive,
        "mot de passe, mots de passe, identifiants, clé secrète, clés, secrète, carte bancaire, confidentielles, données personnelles",
    ),
    (
        Innards,
        "instructions système, prompt système, tes instructions, vos instructions, message système, consignes initiales",
    ),
    // Spanish and Portuguese
    (
        Override,
        "ignora, ignorar, ignoren, olvida, olvide, olvidar, olvídate, descarta, desatiende, omite, haz caso omiso, no sigas, esqueça, esquece, esquecer, desconsidere, desconsidera, desrespeite, descarte",
    ),
    (
        Prior,
        "anteriores, anterior, previas, previos, previa, antes, de arriba, hasta ahora, anteriormente, iniciales, originales, prévias, acima, até agora, iniciais, originais, que dije",
    ),
    (
        Instruction,
        "instrucciones, instrucción, órdenes, reglas, directrices, indicaciones, tarea, tareas, restricciones, instruções, instrução, regras, ordens, diretrizes, tarefa, tarefas, comandos, contexto",
    ),
    (Every, "todas, todos, todo, toda, cualquier, cada, tudo, qualquer"),
    (You, "tú, tus, usted, su, sus, você, seu, sua, seus, suas, teu"),
    (
        Role,
        "ahora eres, eres ahora, actúa como, actúe como, finge, haz de cuenta, a partir de ahora, desde ahora, de ahora en adelante, imagina que eres, eres un, agora você é, você agora é, aja como, finja, a partir de agora, de agora em diante, interprete o papel, você é um",
    ),
    (
        Reveal,
        "revela, revele, muestra, muestre, mostrar, dime, di, repite, repita, imprime, escribe, traduce, dices, revelar, mostre, diga, imprima, escreva, traduza",
    ),
    (
        Secrecy,
        "no le digas, no digas, no menciones, sin informar, sin avisar, en secreto, secretamente, silenciosamente, sin preguntar, não conte, não diga, não mencione, sem informar, sem avisar, em segredo, silenciosamente, sem perguntar",
    ),
    (
        NewTask,
        "nueva tarea, nuevas instrucciones, nueva instrucción, en su lugar, en cambio, siguiente instrucción, siguientes instrucciones, nova tarefa, novas instruções, em vez disso, seguinte instrução, em seu lugar",
    ),
    (
        Modal,
        "debes, debe, deberás, tienes que, siempre, nunca, solo, sólo, únicamente, deve, deves, precisa, sempre, apenas, somente",
    ),
    (
        Please,
        "por favor, puedes, podrías, quiero que, necesito que, você pode, poderia, quero que, preciso que",
    ),
    (Urgent, "importante, urgente, inmediatamente, atención, muy importante, imediatamente, atenção, aviso"),
    (
        Send,
        "envía, envíe, enviar, envíame, reenvía, manda, sube, transfiere, envie, encaminhe, transfira, mande, compartilhe, comparte",
    ),
    (
        Destroy,
        "borra, borre, elimina, elimine, borrar, eliminar, desactiva, apague, apaga, exclua, remova, desative",
    ),
    (
        Sensitive,
        "contraseña, contraseñas, credenciales, clave secreta, claves, tarjeta de crédito, datos personales, confidencial, senha, senhas, credenciais, chave secreta, cartão de crédito, dados pessoais",
    ),
    (
        Innards,
        "tus instrucciones, instrucciones del sistema, prompt del sistema, mensaje del sistema, suas instruções, instruções do sistema, prompt do sistema, mensagem do sistema",
    ),
    // Italian, Dutch
    (Override, "ignora, ignorate, dimentica, dimenticate, trascura, tralascia, negeer, vergeet, sla over"),
    (
        Prior,
        "precedenti, precedente, di cui sopra, sopra, finora, originali, eerdere, vorige, voorgaande, bovenstaande, oorspronkelijke",
    ),
    (
        Instruction,
        "istruzioni, istruzione, regole, ordini, comandi, compito, direttive, instructies, instructie, regels, opdrachten, opdracht, taak, richtlijnen",
    ),
    (
        Role,
        "ora sei, adesso sei, comportati come, fai finta, d'ora in poi, agisci come, je bent nu, doe alsof, vanaf nu, gedraag je als",
    ),
    (
        Secrecy,
        "non dire, non menzionare, senza informare, di nascosto, segretamente, in silenzio, vertel niet, zeg niets, zonder te vragen, stiekem, in het geheim, vermeld niet",
    ),
    (Send, "invia, inviate, inoltra, trasferisci, spedisci, stuur, verstuur, doorsturen, mail naar"),
    (Reveal, "rivela, mostra, stampa, ripeti, dimmi, scrivi, toon, onthul, herhaal, geef, vertel, schrijf"),
    (
        NewTask,
        "nuovo compito, nuove istruzioni, invece, al posto, nieuwe taak, nieuwe instructies, in plaats daarvan",
    ),
    // Russian, Ukrainian, Polish, Czech, Serbian, Croatian
    (
        Override,
        "игнорируй, игнорируйте, игнорировать, проигнорируй, забудь, забудьте, не обращай внимания, отмени, ігноруй, забудь, zignoruj, ignoruj, zapomnij, pomiń, ignoruj, zapomeň, zanemari, zaboravi, ignoriši, игнориши, заборави",
    ),
    (
        Prior,
        "предыдущие, предыдущих, прежние, все предыдущие, выше, ранее, вышеуказанные, попередні, poprzednie, wcześniejsze, powyższe, předchozí, prethodne, prethodna, претходне",
    ),
    (
        Instruction,
        "инструкции, инструкций, указания, правила, команды, задание, приказы, інструкції, instrukcje, polecenia, zasady, pokyny, instrukce, instrukcije, uputstva, naredbe, инструкције, упутства",
    ),
    (
        Role,
        "теперь ты, ты теперь, представь что ты, веди себя как, с этого момента, притворись, ты больше не, jesteś teraz, od teraz, udawaj, zachowuj się jak, nyní jsi, od nynějška, sada si, ponašaj se kao, сада си",
    ),
    (
        Reveal,
        "покажи, раскрой, напиши, выведи, скажи, повтори, переведи, pokaż, ujawnij, powtórz, napisz, ukaž, napiš, odhal, pokaži, reci, napiši, откриј",
    ),
    (
        Secrecy,
        "не говори, не сообщай, тайно, незаметно, не упоминай, втайне, nie mów, nie wspominaj, potajemnie, neříkej, tajně, nemoj reći, tajno",
    ),
    (
        Send,
        "отправь, отправьте, перешли, перешлите, переведи, wyślij, przekaż, prześlij, pošli, odešli, pošalji, пошаљи",
    ),
    (Sensitive, "пароль, пароли, ключ, секрет, hasło, hasła, heslo, hesla, lozinka, lozinke"),
    // Turkish, Indonesian, Vietnamese, Hindi in Latin letters
    (
        Override,
        "yoksay, yok say, görmezden gel, unut, dikkate alma, abaikan, lupakan, bỏ qua, quên, nazarandaz, bhul jao",
    ),
    (Prior, "önceki, yukarıdaki, sebelumnya, di atas, trước đó, ở trên, pahale, pichle"),
    (
        Instruction,
        "talimatları, talimatlar, kuralları, komutları, instruksi, perintah, aturan, hướng dẫn, chỉ dẫn, lệnh, nirdesh",
    ),
    (
        Role,
        "artık sen, şu andan itibaren, gibi davran, sekarang kamu, mulai sekarang, bertindak sebagai, bây giờ bạn là, đóng vai",
    ),
    (Reveal, "göster, söyle, yazdır, tampilkan, katakan, ungkapkan, hiển thị, tiết lộ, nói"),
    (Send, "gönder, yolla, kirim, kirimkan, gửi"),
    // Chinese, Japanese, Korean
    (
        Override,
        "忽略, 忽視, 忽视, 无视, 無視, 忘记, 忘記, 忘掉, 不要理会, 不要理會, 不要遵守, 绕过, 覆盖, 無視し, 忘れ, 従わない, 무시, 잊어, 잊고, 따르지 마",
    ),
    (
        Prior,
        "之前, 以上, 先前, 上述, 上面, 前面, 此前, 原来, 以前, これまで, 上記, 前の, 以前の, 先の, 이전, 위의, 앞의, 지금까지",
    ),
    (
        Instruction,
        "指令, 指示, 提示, 提示词, 提示詞, 规则, 規則, 命令, 任务, 任務, 要求, ルール, プロンプト, 制約, 지시, 명령, 규칙, 프롬프트, 작업",
    ),
    (Every, "所有, 全部, 一切, 任何, すべて, 全て, 모든"),
    (You, "你, 您, 你的, あなた, お前, 君, 당신, 너"),
    (
        Role,
        "你现在是, 你現在是, 从现在开始, 從現在開始, 扮演, 假装, 假裝, 充当, 角色, あなたは今, として振る舞, のふりを, 今から, これから, 지금부터, 역할, 인 척",
    ),
    (
        Model,
        "人工智能, 语言模型, 語言模型, 助手, 助理, 模型, 机器人, アシスタント, 言語モデル, 인공지능, 어시스턴트, 챗봇",
    ),
    (Innards, "系统提示, 系統提示, 系统消息, 初始指令, システムプロンプト, 初期指示, 시스템 프롬프트"),
    (
        Reveal,
        "显示, 顯示, 输出, 輸出, 告诉我, 告訴我, 透露, 泄露, 打印, 重复, 翻译, 表示し, 教えて, 出力, 繰り返し, 보여, 출력, 알려, 공개",
    ),
    (
        Secrecy,
        "不要告诉, 不要告訴, 不要提及, 不要透露, 悄悄, 秘密地, 偷偷, 保密, 言わない, 秘密に, こっそり, 知らせず, 말하지 마, 몰래, 비밀로",
    ),
    (
        Send,
        "发送, 發送, 发给, 转发, 轉發, 上传, 上傳, 转账, 送信, 送って, 転送, アップロード, 보내, 전송, 업로드",
    ),
    (
        Sensitive,
        "密码, 密碼, 密钥, 金鑰, 凭证, 憑證, 令牌, 隐私, 信用卡, パスワード, 秘密鍵, 認証情報, 비밀번호, 자격 증명",
    ),
    (Destroy, "删除, 刪除, 清空, 关闭, 禁用, 削除, 消去, 無効, 삭제, 비활성화"),
    (
        NewTask,
        "新任务, 新任務, 新指令, 新的指令, 新的任务, 改为, 而是, 代わりに, 新しい指示, 新しいタスク, 대신, 새로운 지시",
    ),
    (Urgent, "重要, 紧急, 緊急, 立即, 马上, 注意, 必须, 必須, 至急, 直ちに, 중요, 긴급, 즉시"),
    // Arabic, Persian, Hindi
    (Override, "تجاهل, تجاهلوا, انس, انسى, نادیده بگیر, فراموش کن, अनदेखा, नज़रअंदाज़, भूल जाओ, उपेक्षा"),
    (Prior, "السابقة, السابق, أعلاه, قبلی, بالا, पिछले, पिछली, पूर्व, उपरोक्त"),
    (
        Instruction,
        "التعليمات, تعليمات, الأوامر, القواعد, دستورات, دستورالعمل, قوانین, निर्देश, निर्देशों, आदेश, नियम",
    ),
    (Reveal, "أظهر, اكشف, اطبع, اعرض, نشان بده, بگو, दिखाओ, बताओ, प्रकट"),
    (Send, "أرسل, ارسل, حول, بفرست, ارسال کن, भेजो, भेजें"),
];
