"""Mails of the kind that most are, written for this: what hits in one of them is no rare sign.

Metas that wait for one of several names wait for a rarer one (`metatext.Watcher`).  What hits does not depend on it.
"""

from __future__ import annotations

_TRACE = b"""\
Return-Path: <anna.adams@example.com>
Delivered-To: bob.brown@example.org
Received: from mail.example.com (mail.example.com [203.0.113.25])
\tby mx.example.org (Postfix) with ESMTP id 4F2A81234
\tfor <bob.brown@example.org>; Tue, 14 May 2024 10:11:12 +0200 (CEST)
Received: from desk.example.com (localhost [127.0.0.1])
\tby mail.example.com (8.14.4/8.14.4) with ESMTP id r4E8BC01; Tue, 14 May 2024 10:11:10 +0200
Date: Tue, 14 May 2024 10:11:09 +0200
From: Anna Adams <anna.adams@example.com>
To: Bob Brown <bob.brown@example.org>
Subject: Re: the meeting on Thursday
Message-ID: <5193a1bd.2070409@example.com>
MIME-Version: 1.0
"""
_LETTER = b"""\
References: <20240513150000.GA2070@example.org>
In-Reply-To: <20240513150000.GA2070@example.org>
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:17.0) Gecko/20130329 Thunderbird/17.0.5
Content-Type: text/plain; charset=UTF-8; format=flowed
Content-Transfer-Encoding: 7bit

Hello Bob,

On 13 May 2024 Bob Brown wrote:
> When do we meet, and where? I have put the plan for this week on the page.

Thursday at 10:00 is fine with me. The plan is at http://www.example.com/plans/index.html
and I will bring the other papers. There are about 20 of us now.

Anna
-- \n\
Anna Adams, Example Ltd, +44 20 7946 0000
"""
_CIRCULAR = b"""\
Reply-To: office@lists.example.net
Sender: news-bounces@lists.example.net
List-Id: News <news.lists.example.net>
List-Unsubscribe: <https://lists.example.net/leave?who=bob.brown@example.org>
Precedence: bulk
X-Mailer: Example Mailer 2.1
Content-Type: multipart/alternative; boundary="=_next_00f1"

--=_next_00f1
Content-Type: text/plain; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

This month's news. Read more at https://www.example.net/news?id=3D17
Click here to unsubscribe: https://lists.example.net/leave

--=_next_00f1
Content-Type: text/html; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

<html><head><title>News</title></head><body bgcolor=3D"#ffffff"><table width=3D"600"><tr><td>
<font face=3D"Arial" size=3D"2" color=3D"#333333"><b>This month's news</b></font><br>
<img src=3D"https://www.example.net/logo.png" width=3D"120" height=3D"40" alt=3D"">
<p>Read <a href=3D"https://www.example.net/news?id=3D17">more</a> of it.</p>
<a href=3D"https://lists.example.net/leave">Click here</a> to unsubscribe.
</td></tr></table></body></html>

--=_next_00f1--
"""
MAILS = (_TRACE + _LETTER, _TRACE + _CIRCULAR)
